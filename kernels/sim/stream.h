// Streams as queues whose operations run when somebody waits for them, events, and graphs.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <whisker/kernels/sim/runtime_api.h>

namespace whisker::inline v0_1::kernels::sim {

/// How many operations of each stream precede something: a vector clock, indexed by stream.
using Clock = std::vector<std::uint64_t>;
void join(Clock& clock, const Clock& other);

struct Operation {
  const char* name = "";  // of the kernel or call, for reports
  std::function<void()> run;
  bool even_after_failure = false;  // for what gives memory back
  bool replays_graph = false;       // its parts announce themselves
};

/// An operation with its place in the order of all operations.
struct PlacedOperation {
  Operation operation;
  std::size_t stream = 0;      // or branch of a graph
  std::uint64_t sequence = 0;  // within the stream, from 1
  Clock clock;                 // of what precedes it, and itself
};

struct GraphNode {
  Operation operation;
  std::vector<std::size_t> after;  // nodes that precede it
  std::size_t branch = 0;          // nodes of one branch follow each other
};

class Graph {
 public:
  std::vector<GraphNode> nodes;
  std::size_t branches = 0;
  std::vector<std::shared_ptr<void>> allocations;  // of cudaMallocAsync while capturing
};

/// A capture under way.
struct Capture {
  Graph graph;
  Stream* origin = nullptr;
  cudaStreamCaptureMode mode{};
  bool invalidated = false;
};

class Stream {
 public:
  std::size_t id = 0;
  bool blocking = false;
  std::deque<PlacedOperation> queue;
  std::uint64_t queued = 0, done = 0;
  Clock clock;
  std::shared_ptr<Capture> capture;
  std::vector<std::size_t> frontier;  // the nodes that the next captured operation follows
};

class Event {
 public:
  Stream* stream = nullptr;
  std::uint64_t sequence = 0;
  Clock clock;
  std::weak_ptr<Capture> capture;
  std::vector<std::size_t> frontier;
  bool was_captured = false;
  bool asked_for = false;                                       // since it was recorded
  std::shared_ptr<std::chrono::steady_clock::time_point> time;  // when the stream came to it
};

class GraphExec {
 public:
  Graph graph;
  std::size_t first_branch = 0;          // its branches order operations as streams do
  std::vector<std::uint64_t> sequences;  // of the branches
  Clock last;                            // replays of one graph follow each other
};

/// All streams, and the one lock of the runtime API.
class Device {
 public:
  static Device& instance();

  std::recursive_mutex mutex;
  std::vector<Stream*> streams;
  std::vector<Event*> events;
  std::size_t next_stream = 0;
  Clock host;  // what the host has waited for

  /// Success, or why the handle cannot be used: null, destroyed, or a device that has failed.
  cudaError_t usable(Stream* stream, const char* call);
  cudaError_t usable(Event* event, const char* call);
  /// Adds to the stream's queue or to its capture.
  void enqueue(Stream& stream, Operation operation);
  /// Runs the stream's queue up to an operation.
  void drain(Stream& stream, std::uint64_t sequence);
  void drain_all();
  /// Whether a capture forbids calls that could synchronise; if so, it ends that capture.
  bool forbidden_by_capture();
  void execute(const PlacedOperation& placed);

 private:
  Device() = default;
};

}  // namespace whisker::inline v0_1::kernels::sim
