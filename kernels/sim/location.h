// Where in the source an access is, in 32 bits.
#pragma once

#include <cstdint>
#include <string>

#include <whisker/kernels/cuda/call_site.h>

namespace whisker::inline v0_1::kernels::sim {

/// What addr2line and nm call an address of code: itself, or its offset in a file that may be
/// loaded anywhere.
std::uintptr_t file_address(const void* code);

/// A return address of this program, or a call site of a wrapper.
using Location = std::uint32_t;

Location location_of(const void* return_address);
Location location_of(const cuda::CallSite& site);
/// "file:line"; asks addr2line for return addresses.
std::string to_string(Location location);
/// Whether a return address lies in a function of the standard library. The linker may give the
/// simulator the copy that was compiled for a kernel.
bool is_library_code(Location location);

}  // namespace whisker::inline v0_1::kernels::sim
