# Ends an installation before its first file unless all that it copies has been built. Takes
# build_dir, is_top_level, dev_files and apps_files, the two components' files.
cmake_policy(VERSION 3.25)
set(components dev apps)
if(CMAKE_INSTALL_COMPONENT AND is_top_level AND NOT CMAKE_INSTALL_COMPONENT IN_LIST components)
  message(FATAL_ERROR "whisker has no component ${CMAKE_INSTALL_COMPONENT}; it has dev (the "
                      "library) and apps (the programs). Nothing was installed.")
endif()
if(CMAKE_INSTALL_COMPONENT)
  set(components ${CMAKE_INSTALL_COMPONENT})
endif()

set(missing "")
foreach(component IN LISTS components)
  foreach(file IN LISTS ${component}_files)
    if(NOT EXISTS "${file}")
      string(APPEND missing "\n  ${file}")
    endif()
  endforeach()
endforeach()
if(missing)
  message(FATAL_ERROR "Nothing was installed, because this is not built yet:${missing}\n"
                      "Build it, then install again:\n"
                      "  cmake --build \"${build_dir}\" --target whisker_installed")
endif()
