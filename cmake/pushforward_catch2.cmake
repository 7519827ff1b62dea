# Catch2: version 3, or version 2 where that is what the system has, else downloaded.
find_package(Catch2 QUIET)
if(NOT TARGET Catch2::Catch2)
  include(FetchContent)
  message(STATUS "Catch2 is not installed: downloading it")
  FetchContent_Declare(Catch2 GIT_REPOSITORY https://github.com/catchorg/Catch2.git GIT_TAG v3.5.4 GIT_SHALLOW ON)
  FetchContent_MakeAvailable(Catch2)
endif()
