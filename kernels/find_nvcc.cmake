# Makes WHISKER_CUDA=auto native or off, and says for which GPUs native builds.
set(nvcc_problem "")
if(WHISKER_CUDA MATCHES "^(auto|native)$")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    # Older ones know neither C++20 nor 90a.
    execute_process(COMMAND "${CMAKE_CUDA_COMPILER}" --version
                    OUTPUT_VARIABLE nvcc_version ERROR_QUIET)
    if(NOT nvcc_version MATCHES "V([0-9.]+)" OR CMAKE_MATCH_1 VERSION_LESS 12)
      set(nvcc_problem "${CMAKE_CUDA_COMPILER} is not nvcc 12 or newer")
    endif()
  else()
    set(nvcc_problem "no nvcc was found; put its folder on PATH, or set CMAKE_CUDA_COMPILER")
    unset(CMAKE_CUDA_COMPILER CACHE)  # so that one that is installed later is found
  endif()
endif()

if(WHISKER_CUDA STREQUAL "native" AND nvcc_problem)
  message(FATAL_ERROR "WHISKER_CUDA=native: ${nvcc_problem}")
elseif(WHISKER_CUDA STREQUAL "auto" AND nvcc_problem)
  message(STATUS "WHISKER_CUDA=auto: off, since ${nvcc_problem}")
  set(WHISKER_CUDA off)
elseif(WHISKER_CUDA STREQUAL "auto")
  message(STATUS "WHISKER_CUDA=auto: native, with ${CMAKE_CUDA_COMPILER}")
  set(WHISKER_CUDA native)
endif()

if(NOT CMAKE_CUDA_ARCHITECTURES)
  # PTX for 90a is not portable, so what comes after Hopper gets that of plain 90.
  set(CMAKE_CUDA_ARCHITECTURES 80-real 86-real 89-real 90a-real 90-virtual)
elseif(CMAKE_CUDA_ARCHITECTURES STREQUAL "native")
  # CMake would take 90 for a Hopper, whose own instructions are in 90a only.
  execute_process(COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
                  OUTPUT_VARIABLE capabilities ERROR_QUIET)
  string(REGEX MATCHALL "[0-9]+[.][0-9]+" capabilities "${capabilities}")
  execute_process(COMMAND "${CMAKE_CUDA_COMPILER}" --list-gpu-code
                  OUTPUT_VARIABLE known ERROR_QUIET)
  set(architectures "")
  foreach(capability IN LISTS capabilities)
    string(REPLACE "." "" capability "${capability}")
    string(REGEX REPLACE "^90$" "90a" architecture "${capability}")
    if(known MATCHES "sm_${capability}[^0-9]")
      list(APPEND architectures ${architecture}-real)
    else()  # newer than nvcc: the driver compiles PTX
      list(APPEND architectures 90-virtual)
    endif()
  endforeach()
  if(architectures)
    list(REMOVE_DUPLICATES architectures)
    set(CMAKE_CUDA_ARCHITECTURES ${architectures})
  endif()
endif()
