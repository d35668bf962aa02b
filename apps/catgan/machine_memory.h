// How much memory the machine has.
#pragma once

#include <unistd.h>

#include <cstddef>

namespace catgan {

/// In bytes. Linux grants more than there is, and ends the program that uses it.
inline std::size_t machine_memory() {
  return static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace catgan
