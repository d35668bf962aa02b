# Installs BUILD_DIR into a prefix of its own, moves that prefix, and builds and runs the project
# in this folder against it. Run with cmake -D NAME=VALUE ... -P; see tests/CMakeLists.txt.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status
                  OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE "${WORK_DIR}")
set(first_prefix "${WORK_DIR}/first_prefix")
set(prefix "${WORK_DIR}/moved prefix")
run("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --config "${CONFIG}" --prefix "${first_prefix}")
file(RENAME "${first_prefix}" "${prefix}")

# Public headers include each other and the standard library, nothing else.
file(GLOB_RECURSE headers "${prefix}/include/*.h")
if(NOT headers)
  message(FATAL_ERROR "no header was installed under ${prefix}/include")
endif()
foreach(header IN LISTS headers)
  file(STRINGS "${header}" includes REGEX "^[ \t]*#[ \t]*include")
  foreach(include IN LISTS includes)
    if(NOT include MATCHES "#include <(whisker/[a-z0-9_/]+[.]h|[a-z0-9_]+)>")
      message(FATAL_ERROR "${header}: a public header must not have: ${include}")
    endif()
  endforeach()
endforeach()

# No path of the build or of the first prefix may be left in the package.
file(GLOB_RECURSE package_files "${prefix}/*.cmake")
foreach(package_file IN LISTS package_files)
  file(READ "${package_file}" text)
  foreach(path IN ITEMS "${BUILD_DIR}" "${first_prefix}")
    string(FIND "${text}" "${path}" position)
    if(NOT position EQUAL -1)
      message(FATAL_ERROR "${package_file} holds the path ${path}")
    endif()
  endforeach()
endforeach()

set(consumer "${WORK_DIR}/consumer")
run("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}" -B "${consumer}" -G "${GENERATOR}"
    "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}"
    "-DCMAKE_BUILD_TYPE=${CONFIG}"
    "-DOneDNN_LIBRARY=${ONEDNN_LIBRARY}" "-DOneDNN_INCLUDE_DIR=${ONEDNN_INCLUDE_DIR}")
run("${CMAKE_COMMAND}" --build "${consumer}" --config "${CONFIG}" --parallel 2)
run("${consumer}/consumer")
if(EXISTS "${prefix}/bin/catgan")
  run("${prefix}/bin/catgan" --help)
endif()

# The next minor version may differ, so it must not be taken for this one.
file(WRITE "${WORK_DIR}/newer/CMakeLists.txt" "cmake_minimum_required(VERSION 3.25)\n"
     "project(newer LANGUAGES CXX)\nfind_package(whisker 0.2 CONFIG REQUIRED)\n")
execute_process(COMMAND "${CMAKE_COMMAND}" -S "${WORK_DIR}/newer" -B "${WORK_DIR}/newer/build"
                        -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${prefix}"
                RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
if(status EQUAL 0)
  message(FATAL_ERROR "find_package(whisker 0.2) took version 0.1")
endif()
