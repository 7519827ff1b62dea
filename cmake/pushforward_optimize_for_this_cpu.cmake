include(CheckCXXCompilerFlag)

# pushforward_optimize_for_this_cpu(TARGET): compiles TARGET for the CPU of this machine; it need not run on another.
#
# g++ that is older than the CPU falls back to the tuning of the newest CPU it knows of the same maker; with AVX-512
# under a tuning made for 256-bit units that costs 15 to 30 %. Such a fallback is replaced by a tuning for AVX-512.
function(pushforward_optimize_for_this_cpu target)
  check_cxx_compiler_flag(-march=native PUSHFORWARD_HAS_MARCH_NATIVE)
  if(NOT PUSHFORWARD_HAS_MARCH_NATIVE)
    return()
  endif()
  target_compile_options(${target} PRIVATE -march=native)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    if(NOT DEFINED PUSHFORWARD_TUNING)
      execute_process(COMMAND ${CMAKE_CXX_COMPILER} -march=native -dM -E -x c++ /dev/null
                      OUTPUT_VARIABLE macros ERROR_QUIET)
      set(tuning "")
      if(macros MATCHES "__AVX512F__" AND macros MATCHES "__tune_znver[123]__")
        set(tuning -mtune=skylake-avx512)
      endif()
      set(PUSHFORWARD_TUNING "${tuning}" CACHE INTERNAL "Tuning that replaces the compiler's own for this CPU")
    endif()
    target_compile_options(${target} PRIVATE ${PUSHFORWARD_TUNING})
  endif()
endfunction()
