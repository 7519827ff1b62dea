# pushforward::compiled: the library compiled once, so that a program that links it compiles in a third of the time.
#
# It is an ordinary static library of the project that uses it, built with that project's compiler and flags, and only
# if a target links it. Programs that link pushforward::pushforward compile all from the headers.
# pushforward_add_compiled_library(FOLDER): adds the target; FOLDER holds the sources.
function(pushforward_add_compiled_library folder)
  add_library(pushforward_compiled STATIC EXCLUDE_FROM_ALL
              ${folder}/functions.cpp ${folder}/models.cpp ${folder}/operations.cpp ${folder}/parts.cpp)
  add_library(pushforward::compiled ALIAS pushforward_compiled)
  target_link_libraries(pushforward_compiled PUBLIC pushforward::pushforward)
  target_compile_definitions(pushforward_compiled INTERFACE PUSHFORWARD_COMPILED)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 takes its own AVX-512 intrinsics, where Eigen uses them, for reading what was never written.
    target_compile_options(pushforward_compiled PRIVATE -Wno-maybe-uninitialized)
  endif()
  if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    target_compile_options(pushforward_compiled PRIVATE -ffunction-sections -fdata-sections)
    if(NOT APPLE)
      # A program takes only the functions that it calls.
      target_link_options(pushforward_compiled INTERFACE -Wl,--gc-sections)
    endif()
  endif()
endfunction()
