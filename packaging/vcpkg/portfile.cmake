# A port over the checkout that this file lies in: vcpkg install sibyl --overlay-ports=packaging/vcpkg
# FFmpeg must be built as shared libraries (triplet x64-linux-dynamic): they are opened when the first recording is read.
set(VCPKG_POLICY_DLLS_IN_STATIC_LIBRARY enabled) # libsibyl is shared in every triplet
vcpkg_check_features(OUT_FEATURE_OPTIONS options FEATURES tools SIBYL_CLI)
vcpkg_cmake_configure(
  SOURCE_PATH "${CURRENT_PORT_DIR}/../.."
  OPTIONS ${options} -DSIBYL_TESTS=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(PACKAGE_NAME sibyl CONFIG_PATH lib/cmake/sibyl)
vcpkg_fixup_pkgconfig()
if("tools" IN_LIST FEATURES)
  vcpkg_copy_tools(TOOL_NAMES sibyl AUTO_CLEAN)
  # the models that ship are found beside the command's folder
  file(COPY "${CURRENT_PACKAGES_DIR}/share/sibyl/models" DESTINATION "${CURRENT_PACKAGES_DIR}/tools/share/sibyl")
endif()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share" "${CURRENT_PACKAGES_DIR}/share/doc")
vcpkg_install_copyright(FILE_LIST "${CURRENT_PORT_DIR}/../../LICENSE")
