// Graphs: capture from streams and replay.
#include <algorithm>

#include <whisker/kernels/sim/config.h>
#include <whisker/kernels/sim/error.h>
#include <whisker/kernels/sim/stream.h>

using namespace whisker::kernels::sim;

namespace {

/// Whether what the origin stream does last comes after everything else in the graph.
bool all_joined(const Capture& capture) {
  const auto& nodes = capture.graph.nodes;
  std::vector<bool> has_successor(nodes.size(), false);
  for (const GraphNode& node : nodes)
    for (const std::size_t before : node.after)
      has_successor[before] = true;
  const auto& last = capture.origin->frontier;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (!has_successor[i] && std::find(last.begin(), last.end(), i) == last.end()) return false;
  return true;
}

/// One replay: every node with its place among the operations.
std::vector<PlacedOperation> place(GraphExec& executable, const Clock& before) {
  std::vector<PlacedOperation> placed;
  for (const GraphNode& node : executable.graph.nodes) {
    Clock clock = before;
    for (const std::size_t earlier : node.after)
      join(clock, placed[earlier].clock);
    const std::size_t branch = executable.first_branch + node.branch;
    if (clock.size() <= branch) clock.resize(branch + 1);
    clock[branch] = ++executable.sequences[node.branch];
    placed.push_back({node.operation, branch, clock[branch], clock});
  }
  return placed;
}

/// Runs nodes in any order that their dependencies allow; which one depends on the configuration.
void replay(const std::vector<GraphNode>& nodes, const std::vector<PlacedOperation>& placed,
            std::uint64_t seed) {
  std::vector<bool> done(nodes.size(), false);
  for (std::size_t finished = 0; finished < nodes.size(); ++finished) {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const auto& after = nodes[i].after;
      if (!done[i] && std::all_of(after.begin(), after.end(), [&](auto j) { return done[j]; }))
        ready.push_back(i);
    }
    std::size_t choice = ready.front();
    if (config().order == Order::kReverse) choice = ready.back();
    if (config().order == Order::kRandom) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      choice = ready[(seed >> 33) % ready.size()];
    }
    Device::instance().execute(placed[choice]);
    done[choice] = true;
  }
}

}  // namespace

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  Device& device = Device::instance();
  const std::lock_guard lock(device.mutex);
  if (const cudaError_t error = device.usable(stream, "cudaStreamBeginCapture");
      error != cudaSuccess)
    return error;
  if (stream->capture)
    return set_error(cudaErrorInvalidValue, "cudaStreamBeginCapture: the stream is being captured");
  stream->capture = std::make_shared<Capture>();
  stream->capture->origin = stream;
  stream->capture->mode = mode;
  stream->frontier.clear();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  Device& device = Device::instance();
  const std::lock_guard lock(device.mutex);
  *graph = nullptr;
  if (const cudaError_t error = device.usable(stream, "cudaStreamEndCapture"); error != cudaSuccess)
    return error;
  const auto capture = stream->capture;
  if (!capture || capture->origin != stream)
    return set_error(cudaErrorInvalidValue, "cudaStreamEndCapture: no capture began in the stream");
  const bool joined = all_joined(*capture);
  for (Stream* other : device.streams) {
    if (other->capture != capture) continue;
    other->capture.reset();
    other->frontier.clear();
  }
  if (capture->invalidated)
    return set_error(cudaErrorStreamCaptureInvalidated,
                     "cudaStreamEndCapture: a call during the capture was not allowed");
  if (!joined)
    return set_error(cudaErrorStreamCaptureUnjoined,
                     "cudaStreamEndCapture: the origin stream does not wait for all others");
  *graph = new Graph(std::move(capture->graph));
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  Device& device = Device::instance();
  const std::lock_guard lock(device.mutex);
  if (const cudaError_t error = device.usable(stream, "cudaStreamIsCapturing");
      error != cudaSuccess)
    return error;
  *status = cudaStreamCaptureStatusNone;
  if (stream->capture)
    *status = stream->capture->invalidated ? cudaStreamCaptureStatusInvalidated
                                           : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  Device& device = Device::instance();
  const std::lock_guard lock(device.mutex);
  *executable = new GraphExec;
  (*executable)->graph = *graph;
  (*executable)->first_branch = device.next_stream;
  (*executable)->sequences.resize(graph->branches);
  device.next_stream += graph->branches;
  return sticky_error();
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  Device& device = Device::instance();
  const std::lock_guard lock(device.mutex);
  if (const cudaError_t error = device.usable(stream, "cudaGraphLaunch"); error != cudaSuccess)
    return error;
  if (stream->capture)
    return set_error(cudaErrorStreamCaptureUnsupported,
                     "cudaGraphLaunch: graphs within graphs are not simulated");
  join(stream->clock, device.host);
  join(stream->clock, executable->last);
  auto placed = place(*executable, stream->clock);
  for (const PlacedOperation& operation : placed)
    join(stream->clock, operation.clock);
  // The graph is copied: the executable may be destroyed while the replay is queued.
  device.enqueue(*stream, {.name = "cudaGraphLaunch",
                           .run = [graph = executable->graph, placed = std::move(placed),
                                   seed = config().seed +
                                          stream->queued] { replay(graph.nodes, placed, seed); },
                           .replays_graph = true});
  executable->last = stream->clock;
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return sticky_error();
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return sticky_error();
}
