# What `cmake --install` copies, in two components: dev, the library with its headers and its
# package, and apps, the programs.

# Runs before any file is copied; whisker_check_before_installing() writes it.
set(whisker_check_file "${CMAKE_CURRENT_BINARY_DIR}/check_before_installing.cmake")
install(CODE "include(\"${whisker_check_file}\")" ALL_COMPONENTS)

include(CMakePackageConfigHelpers)
set(whisker_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/whisker")
install(TARGETS whisker ${whisker_libraries} EXPORT whiskerTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
install(EXPORT whiskerTargets NAMESPACE whisker:: DESTINATION ${whisker_package_dir}
        COMPONENT dev)

# Headers that no public header includes and no user of the library needs.
set(private_headers
    kernels/batch_norm.h kernels/elementwise.h kernels/matmul.h kernels/random.h
    kernels/resample2d.h
    core/atomic_file.h core/backend.h core/crc32c.h core/folder_entries.h core/input_file.h
    core/memory_pool.h core/safetensors_header.h
    optim/updates.h)
foreach(folder IN ITEMS kernels core core/ops layers optim)
  file(GLOB headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}"
       "${PROJECT_SOURCE_DIR}/${folder}/*.h")
  list(REMOVE_ITEM headers ${private_headers})
  install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/whisker/${folder}
          COMPONENT dev)
endforeach()
install(FILES kernels/cpu/threads.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/whisker/kernels/cpu COMPONENT dev)

configure_package_config_file(core/whiskerConfig.cmake.in whiskerConfig.cmake
                              INSTALL_DESTINATION ${whisker_package_dir})
write_basic_package_version_file(whiskerConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/whiskerConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/whiskerConfigVersion.cmake"
              kernels/FindOneDNN.cmake
        DESTINATION ${whisker_package_dir} COMPONENT dev)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT dev)

# Writes the script that refuses to install what is not built, instead of half of it. To be called
# when all programs are known: they are the property WHISKER_INSTALLED_APPS.
function(whisker_check_before_installing)
  get_property(apps GLOBAL PROPERTY WHISKER_INSTALLED_APPS)
  list(TRANSFORM whisker_libraries REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE dev_files)
  list(TRANSFORM apps REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE apps_files)
  set(script "${PROJECT_SOURCE_DIR}/core/check_before_installing.cmake")
  file(GENERATE OUTPUT "${whisker_check_file}" CONTENT "\
set(dev_files \"${dev_files}\")
set(apps_files \"${apps_files}\")
set(build_dir \"${CMAKE_BINARY_DIR}\")
set(is_top_level ${PROJECT_IS_TOP_LEVEL})
include(\"${script}\")
")
endfunction()
