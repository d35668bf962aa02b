# Finds oneDNN 2.6 or newer and defines DNNL::dnnl, with and without whisker's own build.
# oneDNN's own package file is not used: Debian's ends the configuration with an error unless
# OpenCL's headers are installed, which nothing here needs.
if(TARGET DNNL::dnnl)
  set(OneDNN_FOUND TRUE)
  return()
endif()

find_path(OneDNN_INCLUDE_DIR dnnl.hpp)
find_library(OneDNN_LIBRARY dnnl)
if(OneDNN_INCLUDE_DIR)
  file(GLOB version_headers "${OneDNN_INCLUDE_DIR}/dnnl_version.h"
       "${OneDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h")
  set(OneDNN_VERSION 0)
  foreach(header IN LISTS version_headers)
    file(READ "${header}" text)
    if(text MATCHES "DNNL_VERSION_MAJOR +([0-9]+).*DNNL_VERSION_MINOR +([0-9]+)")
      set(OneDNN_VERSION "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}")
    endif()
  endforeach()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OneDNN
  REQUIRED_VARS OneDNN_LIBRARY OneDNN_INCLUDE_DIR
  VERSION_VAR OneDNN_VERSION)
mark_as_advanced(OneDNN_LIBRARY OneDNN_INCLUDE_DIR)

if(OneDNN_FOUND)
  add_library(DNNL::dnnl UNKNOWN IMPORTED)
  set_target_properties(DNNL::dnnl PROPERTIES
    IMPORTED_LOCATION "${OneDNN_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${OneDNN_INCLUDE_DIR}")
endif()
