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

# The command must fail and say what matches the regular expression.
function(run_fails expected)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status
                  OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")  # CMake breaks its lines
  if(status EQUAL 0 OR NOT output MATCHES "${expected}")
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nended with ${status}, wanted: ${expected}\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE "${WORK_DIR}")
set(first_prefix "${WORK_DIR}/first_prefix")
set(prefix "${WORK_DIR}/moved prefix")
set(install "${CMAKE_COMMAND}" --install "${BUILD_DIR}" --config "${CONFIG}")
run(${install} --prefix "${first_prefix}")

# The components are what their names say, and together they are all.
foreach(component IN ITEMS dev apps)
  run(${install} --prefix "${WORK_DIR}/${component}" --component ${component})
endforeach()
file(GLOB_RECURSE all RELATIVE "${first_prefix}" "${first_prefix}/*")
file(GLOB_RECURSE dev RELATIVE "${WORK_DIR}/dev" "${WORK_DIR}/dev/*")
file(GLOB_RECURSE apps RELATIVE "${WORK_DIR}/apps" "${WORK_DIR}/apps/*")
set(both ${dev} ${apps})
list(SORT all)
list(SORT both)
if(NOT "${all}" STREQUAL "${both}")
  message(FATAL_ERROR "all: ${all}\ndev and apps: ${both}")
endif()
if(NOT "${apps}" STREQUAL "bin/catgan;bin/lsgan" OR "${dev}" MATCHES "bin/")
  message(FATAL_ERROR "the component apps installs ${apps}, dev installs ${dev}")
endif()
run_fails("no component Dev; it has dev .* Nothing was installed"
          ${install} --prefix "${WORK_DIR}/none" --component Dev)

# What is not built is not installed by halves.
run("${CMAKE_COMMAND}" -S "${SOURCE_DIR}" -B "${WORK_DIR}/unbuilt" -G "${GENERATOR}"
    -DCMAKE_CXX_COMPILER=${CXX_COMPILER} -DWHISKER_CUDA=off -DWHISKER_TESTS=OFF)
run_fails("Nothing was installed, .*/lsgan .*--target whisker_installed"
          "${CMAKE_COMMAND}" --install "${WORK_DIR}/unbuilt" --prefix "${WORK_DIR}/none")
if(EXISTS "${WORK_DIR}/none")
  message(FATAL_ERROR "an installation that was refused has made its prefix")
endif()
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
# The README's program, as it stands there, with the CMake file beside it.
file(READ "${SOURCE_DIR}/README.md" readme)
foreach(kind_and_name IN ITEMS "cpp xor.cpp" "cmake CMakeLists.txt")
  string(REPLACE " " ";" pair "${kind_and_name}")
  list(GET pair 0 kind)
  list(GET pair 1 name)
  string(FIND "${readme}" "```${kind}\n" begin)
  string(SUBSTRING "${readme}" ${begin} -1 block)
  string(FIND "${block}" "\n" begin)
  string(FIND "${block}" "\n```\n" end)
  math(EXPR length "${end} - ${begin}")
  string(SUBSTRING "${block}" ${begin} ${length} block)
  file(WRITE "${WORK_DIR}/readme/${name}" "${block}\n")
endforeach()
run("${CMAKE_COMMAND}" -S "${WORK_DIR}/readme" -B "${WORK_DIR}/readme/build" -G "${GENERATOR}"
    "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}"
    "-DOneDNN_LIBRARY=${ONEDNN_LIBRARY}" "-DOneDNN_INCLUDE_DIR=${ONEDNN_INCLUDE_DIR}")
run("${CMAKE_COMMAND}" --build "${WORK_DIR}/readme/build")
run("${WORK_DIR}/readme/build/xor")

if(EXISTS "${prefix}/bin/catgan")
  run("${prefix}/bin/catgan" --help)
endif()

# Other compilers warn of other things.
if(CLANGXX)
  file(GLOB alone "${consumer}/alone/*.cpp")
  run("${CLANGXX}" -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Wdouble-promotion
      -Werror -Wno-missing-field-initializers "-I${prefix}/include" ${alone})
endif()

# expect_refusal(REASON ARGUMENT...): find_package(whisker ARGUMENT...) must fail with the reason.
function(expect_refusal expected)
  list(JOIN ARGN " " arguments)
  string(MAKE_C_IDENTIFIER "${arguments}" name)
  file(WRITE "${WORK_DIR}/${name}/CMakeLists.txt" "cmake_minimum_required(VERSION 3.25)\n"
       "project(refused LANGUAGES CXX)\nfind_package(whisker ${arguments})\n"
       "if(NOT whisker_FOUND)\n"
       "  message(FATAL_ERROR \"\${whisker_NOT_FOUND_MESSAGE}\")\nendif()\n")
  run_fails("${expected}"
            "${CMAKE_COMMAND}" -S "${WORK_DIR}/${name}" -B "${WORK_DIR}/${name}/build"
            -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${prefix}"
            "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}")
endfunction()
foreach(how IN ITEMS REQUIRED QUIET)
  expect_refusal("no component trainer; the one in .*moved prefix has kernels, core, layers, optim"
                 0.1 CONFIG ${how} COMPONENTS core trainer)
  if(NOT CUDA STREQUAL "native")
    expect_refusal("built without CUDA .WHISKER_CUDA is ${CUDA}.; install one"
                   0.1 CONFIG ${how} COMPONENTS cuda)
  endif()
endforeach()

# The next minor version may differ, so it must not be taken for this one.
expect_refusal("version \"0.2\"" 0.2 CONFIG REQUIRED)
