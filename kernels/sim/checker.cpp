// Finds races, reads of memory that nobody wrote, accesses outside of variables, and uses of
// asynchronous copies before they are complete. Kernels run on one OS thread then.
#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <set>
#include <vector>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/block.h>
#include <whisker/kernels/sim/checker.h>
#include <whisker/kernels/sim/memory.h>
#include <whisker/kernels/sim/shadow.h>
#include <whisker/kernels/sim/thread_clocks.h>

namespace whisker::inline v0_1::kernels::sim::checker {
namespace {

constexpr std::size_t kMaxReports = 8;  // of one operation

struct OperationRecord {
  const char* name;
  std::size_t stream;
  std::uint64_t sequence;
};

struct State {
  std::vector<OperationRecord> operations{{"", 0, 0}};
  Clock clock;  // of the last one
  std::uint32_t block = 0;
  ThreadClocks threads;
  int engine = -1;

  std::vector<Word> shared_words = std::vector<Word>(SharedArena::kArenaBytes / 4);
  SplitPool shared_splits, device_splits;
  Word* device_words = nullptr;  // as many as device memory has, touched where it is used

  std::string report;
  std::set<std::string> reported;
};

State& state() {
  static auto* instance = new State;
  return *instance;
}

Word* device_words() {
  State& s = state();
  if (s.device_words) return s.device_words;
  void* memory = mmap(nullptr, DeviceMemory::kBytes / 4 * sizeof(Word), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check<OutOfMemory>(memory != MAP_FAILED, "simulator: no address range for the checker's records");
  s.device_words = static_cast<Word*>(memory);
  return s.device_words;
}

/// An access under way, and where it goes.
struct Target {
  const void* address;
  std::size_t bytes;
  Access kind;
  Location location;
  bool shared;

  std::string describe_place() const {
    return shared ? BlockRunner::current()->shared().describe(
                        BlockRunner::current()->shared().offset_of(address))
                  : DeviceMemory::instance().describe(address);
  }
};

const char* name_of(Access kind) {
  switch (kind) {
    case Access::kRead:
      return "read";
    case Access::kWrite:
      return "write";
    case Access::kAtomic:
      return "atomic operation";
    case Access::kIssue:
      return "asynchronous copy";
    case Access::kDeliver:
      return "arrival of an asynchronous copy";
  }
  return "access";
}

bool writes(Access kind) { return kind != Access::kRead; }

std::string where() {
  if (!current_thread)
    return str(state().operations.back().name, " in a stream");
  return BlockRunner::current()->where(current_thread);
}

std::string show(const Target& target) {
  std::string text = str(name_of(target.kind), " of ", target.bytes, " bytes at ",
                         target.describe_place());
  if (current_thread) text += str(", ", to_string(target.location));
  return text;
}

std::string show(const Record& record) {
  const State& s = state();
  const char* what = record.atomic ? "atomic operation" : "access";
  if (record.agent == Record::kHost)
    return str("one by ", s.operations[record.operation].name, " in a stream");
  std::string text = str(what, " by ");
  if (record.operation + 1 != s.operations.size())
    text += str("kernel ", s.operations[record.operation].name, ", ");
  text += str("block ", record.block, ", ");
  if (record.agent > ThreadClocks::kThreads) {
    text += "an asynchronous engine";
  } else {
    const unsigned rank = record.agent - 1u;
    const dim3 dim = current_block.dim;
    text += str("thread (", rank % dim.x, ",", rank / dim.x % dim.y, ",", rank / dim.x / dim.y, ")");
  }
  return str(text, ", ", to_string(record.location));
}

void add_report(const std::string& key, const std::string& text) {
  State& s = state();
  if (s.reported.size() >= kMaxReports || !s.reported.insert(key).second) return;
  if (!s.report.empty()) s.report += "\n";
  s.report += text;
}

/// The access must not happen: the block ends here.
void stop(const char* what, const Target& target) {
  const std::string_view kind = what;
  if (!current_thread) return add_report(what, str(where(), ": ", what, ": ", show(target)));
  sim::fail(str(kind, ": ", show(target)));
}

bool before(const Record& record) {
  const State& s = state();
  const auto current = static_cast<std::uint32_t>(s.operations.size() - 1);
  if (record.operation != current) {
    const OperationRecord& other = s.operations[record.operation];
    return other.stream < s.clock.size() && other.sequence <= s.clock[other.stream];
  }
  if (!current_thread || record.agent == Record::kHost) return true;
  const unsigned agent = record.agent - 1u, me = current_thread->rank;
  if (record.block != s.block) return s.threads.before(record.block, agent, record.stamp, me);
  if (s.engine >= 0 && agent == ThreadClocks::kThreads + static_cast<unsigned>(s.engine))
    return true;
  return s.threads.before(agent, record.stamp, me);
}

Record record_of(const Target& target) {
  const State& s = state();
  Record record;
  record.operation = static_cast<std::uint32_t>(s.operations.size() - 1);
  record.location = target.location;
  record.atomic = target.kind == Access::kAtomic;
  record.in_flight = target.kind == Access::kIssue;
  if (!current_thread) {
    record.agent = Record::kHost;
    return record;
  }
  record.block = s.block;
  if (s.engine >= 0) {
    const auto engine = static_cast<unsigned>(s.engine);
    record.agent = static_cast<std::uint16_t>(1 + ThreadClocks::kThreads + engine);
    record.stamp = s.threads.engine_stamp(engine);
  } else {
    record.agent = static_cast<std::uint16_t>(1 + current_thread->rank);
    record.stamp = s.threads.stamp(current_thread->rank);
  }
  return record;
}

void report_race(const Target& target, const Record& other) {
  const State& s = state();
  const char* kind = "race within a block";
  if (other.operation + 1 != s.operations.size()) {
    kind = "race between streams";
  } else if (other.block != s.block) {
    kind = "race between blocks";
  }
  add_report(str(kind, target.location, " ", other.location),
             str(where(), ": ", kind, ": ", show(target), " is not ordered with the ",
                 other.agent == Record::kHost ? "" : "earlier ", show(other)));
}

void check_cell(Cell& cell, const Target& target) {
  if (target.kind == Access::kDeliver) {
    cell.write.in_flight = false;
  } else if (cell.write.in_flight && target.kind != Access::kIssue) {
    add_report(str("in flight", target.location),
               str(where(), ": missing wait: ", show(target),
                   " before the asynchronous copy to it is complete, which was issued at ",
                   to_string(cell.write.location)));
  }
  const bool reads = target.kind == Access::kRead || target.kind == Access::kAtomic;
  if (reads && !cell.write.exists())
    add_report(str("uninitialised", target.location),
               str(where(), ": uninitialised memory: ", show(target), ", which nobody has written"));
  const bool atomic = target.kind == Access::kAtomic;
  if (cell.write.exists() && !(atomic && cell.write.atomic) && !before(cell.write))
    report_race(target, cell.write);
  const Record record = record_of(target);
  if (writes(target.kind)) {
    for (const Record& read : cell.reads)
      if (read.exists() && !before(read)) {
        report_race(target, read);
        break;
      }
    cell.write = record;
    cell.reads = {};
    return;
  }
  // A read that comes before this one need not be remembered.
  auto& [first, second] = cell.reads;
  if (!first.exists() || before(first)) {
    first = record;
  } else {
    second = record;
  }
}

void check_words(Word* words, SplitPool& splits, std::size_t offset, const Target& target) {
  for (std::size_t at = offset, end = offset + target.bytes; at < end;) {
    Word& word = words[at / 4];
    const std::size_t next = std::min(end, at / 4 * 4 + 4);
    if (word.split == 0 && next - at == 4) {
      check_cell(word.cell, target);
    } else {
      auto& cells = splits.of(word);
      for (std::size_t byte = at; byte < next; ++byte)
        check_cell(cells[byte % 4], target);
    }
    at = next;
  }
}

/// Code and constants of the program and its libraries.
bool is_static(const void* address) {
  Dl_info info;
  struct Query {
    std::uintptr_t address;
    bool found;
  } query{reinterpret_cast<std::uintptr_t>(address), false};
  if (dladdr(address, &info) == 0) return false;
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* data) {
        auto& wanted = *static_cast<Query*>(data);
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const auto& segment = object->dlpi_phdr[i];
          if (segment.p_type == PT_LOAD &&
              wanted.address - (object->dlpi_addr + segment.p_vaddr) < segment.p_memsz)
            wanted.found = true;
        }
        return 0;
      },
      &query);
  return query.found;
}

}  // namespace

// Operations

void begin_operation(const char* name, std::size_t stream, std::uint64_t sequence,
                     const Clock& clock) {
  State& s = state();
  s.operations.push_back({name, stream, sequence});
  s.clock = clock;
  s.threads.begin_operation();
}

std::string take_report() {
  State& s = state();
  s.reported.clear();
  return std::exchange(s.report, "");
}

void forget_device_memory(const void* begin, std::size_t bytes) {
  const DeviceMemory& memory = DeviceMemory::instance();
  const auto offset = static_cast<std::size_t>(static_cast<const unsigned char*>(begin) -
                                               memory.base());
  for (std::size_t i = offset / 4; i < (offset + bytes + 3) / 4; ++i)
    state().device_splits.forget(device_words()[i]);
}

void reset() { take_report(); }

// Blocks and threads

void begin_block(unsigned threads) {
  State& s = state();
  s.block = static_cast<std::uint32_t>(current_block.rank);
  s.threads.begin_block(s.block, threads);
  s.shared_splits.clear();
  std::fill(s.shared_words.begin(), s.shared_words.end(), Word{});
  s.engine = -1;
}

void barrier() { state().threads.barrier(); }

void sync_warp(unsigned mask) {
  state().threads.sync_lanes(current_thread->rank - current_thread->lane, mask);
}

void fence() { state().threads.fence(current_thread->rank); }

namespace {

std::uint32_t object_at(const void* mbarrier) {
  return BlockRunner::current()->shared().offset_of(mbarrier);
}

}  // namespace

void release_to(const void* mbarrier) {
  state().threads.release(current_thread->rank, object_at(mbarrier));
}
void acquire_from(const void* mbarrier) {
  state().threads.acquire(current_thread->rank, object_at(mbarrier));
}
void begin_mbarrier(const void* mbarrier) { state().threads.forget_object(object_at(mbarrier)); }

void begin_engine(unsigned engine) {
  state().threads.advance_engine(engine);
  state().engine = static_cast<int>(engine);
}
void end_engine() { state().engine = -1; }

void wait_for_engine(unsigned engine) {
  const unsigned first = current_thread->rank - current_thread->lane;
  for (unsigned lane = 0; lane < kWarpSize; ++lane)
    state().threads.wait_for_engine(first + lane, engine);
}

// Memory

void synchronize_at(const void* address) {
  state().threads.atomic(current_thread->rank, address);
}

void access(const void* address, std::size_t bytes, Access kind, Location location) {
  Target target{address, bytes, kind, location, false};
  State& s = state();
  BlockRunner* runner = current_thread ? BlockRunner::current() : nullptr;
  if (runner && runner->shared().holds(address)) {
    target.shared = true;
    const std::uint32_t offset = runner->shared().offset_of(address);
    if (!runner->shared().valid(offset, bytes)) return stop("out of bounds", target);
    return check_words(s.shared_words.data(), s.shared_splits, offset, target);
  }
  const DeviceMemory& memory = DeviceMemory::instance();
  if (memory.holds(address)) {
    if (!memory.valid(address, bytes)) return stop("out of bounds", target);
    const auto offset = static_cast<std::size_t>(static_cast<const unsigned char*>(address) -
                                                 memory.base());
    return check_words(device_words(), s.device_splits, offset, target);
  }
  if (!runner || runner->may_touch(address) || is_pinned(address) || is_static(address) ||
      is_library_code(location))
    return;
  sim::fail(str("pageable host memory: ", name_of(kind), " of ", bytes, " bytes at ", address, ", ",
                to_string(location), "; a GPU cannot reach it"));
}

}  // namespace whisker::inline v0_1::kernels::sim::checker
