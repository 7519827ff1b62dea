# How our own tests, examples and benchmarks are built. Users' projects never read this.

# A compiler that CI does not build with may warn of things nobody has seen yet: that must not stop its user.
set(known_compiler OFF)
if((CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION MATCHES "^12\\.")
   OR (CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION MATCHES "^14\\."))
  set(known_compiler ON)
endif()
option(PUSHFORWARD_WARNINGS_AS_ERRORS "Stop at a warning in the tests, examples and benchmarks" ${known_compiler})

find_program(PUSHFORWARD_CCACHE ccache)
mark_as_advanced(PUSHFORWARD_CCACHE)
if(PUSHFORWARD_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
                                  ${PUSHFORWARD_CCACHE})
endif()

# CMake calls what it precompiles a system header, which would silence every warning in our own headers.
set(CMAKE_PCH_PROLOGUE "")

function(pushforward_warnings target)
  if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    # g++ 12 takes its own AVX-512 intrinsics, inlined from Eigen, for uninitialized (GCC bug 105593).
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
                                             $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
                                             $<$<BOOL:${PUSHFORWARD_WARNINGS_AS_ERRORS}>:-Werror>)
  endif()
endfunction()

# pushforward_precompile(TARGET HEADER...): precompiles headers for other targets to reuse, with TARGET's options.
function(pushforward_precompile target)
  file(WRITE ${PROJECT_BINARY_DIR}/${target}.cpp "")
  add_library(${target} OBJECT ${PROJECT_BINARY_DIR}/${target}.cpp)
  target_precompile_headers(${target} PRIVATE ${ARGN})
endfunction()

# pushforward_program(TARGET NAME SOURCE...): the program NAME with the compiled library, for this CPU where the build is
# a release.
function(pushforward_program target name)
  if(NOT TARGET pushforward_precompiled)
    pushforward_precompile(pushforward_precompiled <pushforward/pushforward.hpp>)
    target_link_libraries(pushforward_precompiled PRIVATE pushforward::compiled)
    _pushforward_program_options(pushforward_precompiled)
    _pushforward_program_options(pushforward_compiled)
  endif()
  add_executable(${target} ${ARGN})
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name})
  target_link_libraries(${target} PRIVATE pushforward::compiled)
  target_precompile_headers(${target} REUSE_FROM pushforward_precompiled)
  _pushforward_program_options(${target})
endfunction()

# pushforward_programs(PREFIX SOURCE...): one program for each source.
function(pushforward_programs prefix)
  foreach(source IN LISTS ARGN)
    get_filename_component(name ${source} NAME_WE)
    pushforward_program(${prefix}${name} ${name} ${source})
  endforeach()
endfunction()

function(_pushforward_program_options target)
  pushforward_warnings(${target})
  if(CMAKE_BUILD_TYPE MATCHES "^Rel")
    pushforward_optimize_for_this_cpu(${target})
  endif()
endfunction()
