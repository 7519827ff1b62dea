# What the library uses where it is there: threads, zlib, oneDNN, a BLAS. The build tree and the installed package both
# decide here, so a program that finds the installed package may choose with the same options.

option(PUSHFORWARD_WITH_ZLIB "Use zlib, where it is installed, to read .gz files and to write small PNG files" ON)
option(PUSHFORWARD_WITH_ONEDNN "Let oneDNN compute matrix products" OFF)
option(PUSHFORWARD_WITH_BLAS "Let a BLAS (its C interface) compute matrix products" OFF)

# pushforward_link_backends(TARGET): links TARGET, an interface library or an imported one, to what the options ask for.
# zlib may be missing; oneDNN and a BLAS were asked for by name, so they may not.
function(pushforward_link_backends target)
  find_package(Threads REQUIRED)
  _pushforward_link(${target} Threads::Threads)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ vectorizes the loops that are marked for it at -O2, too. No OpenMP library is needed.
    target_compile_options(${target} INTERFACE -fopenmp-simd)
    target_compile_definitions(${target} INTERFACE PUSHFORWARD_HAS_OPENMP_SIMD=1)
  endif()
  if(PUSHFORWARD_WITH_ZLIB)
    find_package(ZLIB QUIET)
    if(ZLIB_FOUND)
      _pushforward_link(${target} ZLIB::ZLIB PUSHFORWARD_HAS_ZLIB=1)
    endif()
  endif()
  if(PUSHFORWARD_WITH_ONEDNN)
    find_package(dnnl CONFIG REQUIRED)
    _pushforward_link(${target} DNNL::dnnl PUSHFORWARD_HAS_ONEDNN=1)
  endif()
  if(PUSHFORWARD_WITH_BLAS)
    find_package(BLAS REQUIRED)
    _pushforward_link(${target} BLAS::BLAS PUSHFORWARD_HAS_BLAS=1)
  endif()
endfunction()

# An installed package finds its backends again on the machine that it is used on: BUILD_INTERFACE keeps them out of it.
function(_pushforward_link target library)
  get_target_property(imported ${target} IMPORTED)
  if(imported)
    target_link_libraries(${target} INTERFACE ${library})
    target_compile_definitions(${target} INTERFACE ${ARGN})
  else()
    target_link_libraries(${target} INTERFACE $<BUILD_INTERFACE:${library}>)
    target_compile_definitions(${target} INTERFACE $<BUILD_INTERFACE:${ARGN}>)
  endif()
endfunction()
