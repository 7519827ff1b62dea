include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/pushforward)
configure_package_config_file(cmake/pushforwardConfig.cmake.in pushforwardConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(pushforwardConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)

install(TARGETS pushforward EXPORT pushforwardTargets)
install(EXPORT pushforwardTargets NAMESPACE pushforward:: DESTINATION ${package_dir})
install(DIRECTORY include/pushforward DESTINATION include)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/pushforwardConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/pushforwardConfigVersion.cmake
              cmake/pushforward_backends.cmake cmake/pushforward_compiled.cmake
              cmake/pushforward_optimize_for_this_cpu.cmake
        DESTINATION ${package_dir})
install(DIRECTORY cmake/compiled DESTINATION ${package_dir})
