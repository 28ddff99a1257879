# Headers, library, pkg-config file and CMake package. The command and its pages are installed in cli/.
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/sibyl)
# server.h is of a library that only the command is built with.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/sibyl DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} PATTERN server.h EXCLUDE)
install(TARGETS sibyl EXPORT sibyl-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT sibyl-targets NAMESPACE sibyl:: DESTINATION ${package_folder})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/sibyl-config.cmake.in ${PROJECT_BINARY_DIR}/sibyl-config.cmake
  INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sibyl-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sibyl-config.cmake ${PROJECT_BINARY_DIR}/sibyl-config-version.cmake DESTINATION ${package_folder})
# The prefix is known only when `cmake --install --prefix` is called, so the file is written then.
install(CODE "
  set(CMAKE_INSTALL_FULL_LIBDIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}\")
  set(CMAKE_INSTALL_FULL_INCLUDEDIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_INCLUDEDIR}\")
  set(PROJECT_VERSION ${PROJECT_VERSION})
  set(PROJECT_DESCRIPTION \"${PROJECT_DESCRIPTION}\")
  configure_file(\"${CMAKE_CURRENT_LIST_DIR}/sibyl.pc.in\" \"${PROJECT_BINARY_DIR}/sibyl.pc\" @ONLY)")
install(FILES ${PROJECT_BINARY_DIR}/sibyl.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/ DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/sibyl/examples)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/sibyl)
