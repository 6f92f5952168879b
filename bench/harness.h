#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// Milliseconds of several runs of one thing.
struct Timing {
  std::vector<double> runs_ms;  // sorted

  /// The value below which `part` (0..1) of the runs lie; 0 without runs.
  double percentile(double part) const;
};

/// kWall is what a user waits for; kCpu is this process's processor time, which other load on the
/// machine disturbs less.
enum class Clock { kWall, kCpu };

/// Runs once to warm up, then `runs` times. `prepare` runs before each of them and is not counted.
Timing measure(Clock clock,
               int runs,
               const std::function<void()>& work,
               const std::function<void()>& prepare = {});

/// Processor time of this process so far, in milliseconds.
double cpu_ms();

/// Bytes that malloc has handed out and not got back.
std::size_t heap_bytes();

/// The largest resident set of this process so far, in bytes; children are not in it.
std::size_t peak_rss_bytes();

/// Largest resident set of any child that has ended, in bytes.
std::size_t children_peak_rss_bytes();

/// Throws std::runtime_error.
void write_file(const std::string& path, const std::string& content);

/// One JSON object on a line, for people with jq and for the report. Values are numbers or strings.
class JsonLine {
 public:
  JsonLine& field(std::string_view name, double value);
  JsonLine& field(std::string_view name, std::string_view value);

  /// Fields NAME_p50_ms, NAME_p90_ms and NAME_p99_ms.
  JsonLine& field(std::string_view name, const Timing& timing);

  void print() const;

 private:
  void begin(std::string_view name);

  std::string text_;
};

}  // namespace bench
