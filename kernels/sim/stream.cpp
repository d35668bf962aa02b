#include <algorithm>
#include <map>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/checker.h>
#include <whisker/kernels/sim/config.h>
#include <whisker/kernels/sim/error.h>
#include <whisker/kernels/sim/grid.h>
#include <whisker/kernels/sim/memory.h>
#include <whisker/kernels/sim/shared_arena.h>
#include <whisker/kernels/sim/stream.h>

namespace whisker::inline v0_1::kernels::sim {

void join(Clock& clock, const Clock& other) {
  if (clock.size() < other.size()) clock.resize(other.size());
  for (std::size_t i = 0; i < other.size(); ++i)
    clock[i] = std::max(clock[i], other[i]);
}

Device& Device::instance() {
  static auto* device = new Device;  // handles may be destroyed by statics of others
  return *device;
}

cudaError_t Device::usable(Stream* stream, const char* call) {
  if (!stream)
    return set_error(cudaErrorInvalidResourceHandle,
                     str(call,
                         ": the null stream orders everything with everything; name a "
                         "stream"));
  if (std::find(streams.begin(), streams.end(), stream) == streams.end())
    return set_error(cudaErrorInvalidResourceHandle, str(call, ": no such stream"));
  return sticky_error();
}

cudaError_t Device::usable(Event* event, const char* call) {
  if (std::find(events.begin(), events.end(), event) == events.end())
    return set_error(cudaErrorInvalidResourceHandle, str(call, ": no such event"));
  return sticky_error();
}

void Device::enqueue(Stream& stream, Operation operation) {
  if (stream.capture) {
    Graph& graph = stream.capture->graph;
    GraphNode node{std::move(operation), stream.frontier, graph.branches};
    // A node goes on with the branch of a predecessor that nobody has continued yet.
    for (const std::size_t before : stream.frontier) {
      const std::size_t branch = graph.nodes[before].branch;
      const bool continued =
          std::any_of(graph.nodes.begin() + static_cast<std::ptrdiff_t>(before) + 1,
                      graph.nodes.end(), [&](const GraphNode& n) { return n.branch == branch; });
      if (!continued) node.branch = branch;
    }
    graph.branches = std::max(graph.branches, node.branch + 1);
    stream.frontier = {graph.nodes.size()};
    graph.nodes.push_back(std::move(node));
    return;
  }
  join(stream.clock, host);
  if (stream.clock.size() <= stream.id) stream.clock.resize(stream.id + 1);
  stream.clock[stream.id] = ++stream.queued;
  stream.queue.push_back({std::move(operation), stream.id, stream.queued, stream.clock});
}

void Device::execute(const PlacedOperation& placed) {
  if (sticky_error() != cudaSuccess && !placed.operation.even_after_failure) return;
  const DeviceMemory::Open open;
  if constexpr (kChecking) {
    if (!placed.operation.replays_graph)
      checker::begin_operation(placed.operation.name, placed.stream, placed.sequence, placed.clock);
  }
  placed.operation.run();
}

void Device::drain(Stream& stream, std::uint64_t sequence) {
  while (stream.done < sequence && !stream.queue.empty()) {
    const PlacedOperation placed = std::move(stream.queue.front());
    stream.queue.pop_front();
    execute(placed);
    ++stream.done;
  }
}

void Device::drain_all() {
  // The last stream first, since the order in which they were made is the likely one.
  for (std::size_t i = streams.size(); i-- > 0;) {
    drain(*streams[i], streams[i]->queued);
    join(host, streams[i]->clock);
  }
}

bool Device::forbidden_by_capture() {
  bool forbidden = false;
  for (Stream* stream : streams) {
    if (!stream->capture || stream->capture->mode == cudaStreamCaptureModeRelaxed) continue;
    stream->capture->invalidated = true;
    forbidden = true;
  }
  return forbidden;
}

void reset() {
  Device& device = Device::instance();
  const std::lock_guard lock(device.mutex);
  set_sticky_error("reset");  // so that only what gives memory back still runs
  device.drain_all();
  for (Stream* stream : device.streams) {
    stream->capture.reset();
    stream->frontier.clear();
  }
  clear_errors();
  if constexpr (kChecking) checker::reset();
}

namespace {

std::map<const void*, std::size_t>& dynamic_shared_limits() {
  static std::map<const void*, std::size_t> limits;
  return limits;
}

/// Why a kernel cannot be launched so; empty if it can.
std::string refusal(const Launch& launch) {
  const dim3 block = launch.block, grid = launch.grid;
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > 1024 || block.x > 1024 || block.y > 1024 || block.z > 64)
    return "a block has 1 to 1024 threads";
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return "a grid has at least one block";
  if (grid.x > 0x7FFFFFFFu || grid.y > 65535 || grid.z > 65535)
    return "a grid is at most 2147483647 x 65535 x 65535 blocks";
  const auto& limits = dynamic_shared_limits();
  const auto raised = limits.find(launch.function);
  const std::size_t limit = raised == limits.end() ? kStaticSharedLimit : raised->second;
  if (launch.shared_bytes > limit)
    return str("the limit of its dynamic shared memory is ", limit,
               " bytes; raise it with cudaFuncSetAttribute");
  return "";
}

void run_kernel(const Launch& launch) {
  std::string report = run_grid(launch);
  const std::string damage = DeviceMemory::instance().damage();
  if (report.empty() && !damage.empty())
    report = str("kernel ", launch.name, " (launched at ", launch.site, ") ", damage);
  if constexpr (kChecking) {
    if (report.empty()) report = checker::take_report();
  }
  if (!report.empty()) set_sticky_error(std::move(report));
}

}  // namespace

cudaError_t enqueue_kernel(Launch launch, cudaStream_t stream) {
  Device& device = Device::instance();
  const std::lock_guard lock(device.mutex);
  if (const cudaError_t error = device.usable(stream, "cudaLaunchKernel"); error != cudaSuccess)
    return error;
  if (std::string why = refusal(launch); !why.empty())
    return set_error(cudaErrorInvalidConfiguration, std::move(why));
  const char* name = launch.name;
  device.enqueue(*stream,
                 {.name = name, .run = [kernel = std::move(launch)] { run_kernel(kernel); }});
  return cudaSuccess;
}

}  // namespace whisker::inline v0_1::kernels::sim

using namespace whisker::kernels::sim;

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute, int value) {
  Device& device = Device::instance();
  const std::lock_guard lock(device.mutex);
  if (value < 0 || static_cast<std::size_t>(value) > kSharedLimit)
    return set_error(cudaErrorInvalidValue, "a block has at most 232448 bytes of shared memory");
  dynamic_shared_limits()[function] = static_cast<std::size_t>(value);
  return sticky_error();
}
