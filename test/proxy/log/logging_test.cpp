#include "proxy/log/logging.h"

#include <memory>
#include <regex>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <spdlog/spdlog.h>
#include <unistd.h>

using proxy::LogFormat;

namespace {

/// Catches the lines of the default logger for the life of a test, and leaves it silent.
class Lines {
 public:
  explicit Lines(LogFormat format, int verbosity = 0) {
    proxy::set_up_logging(
        {format, verbosity, [this](std::string_view line) { lines_.emplace_back(line); }});
  }

  ~Lines() {
    proxy::set_up_logging({LogFormat::kText, 0, [](std::string_view) {}});
  }

  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  const std::vector<std::string>& all() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

}  // namespace

TEST_CASE("logging: text lines look like klog's", "[proxy][logging]") {
  const Lines lines(LogFormat::kText);

  proxy::log_info("Synced", {{"family", "IPv4"}, {"rules", 12}, {"note", R"(a "b")"}});
  proxy::log_warning("Slow");
  proxy::log_error("Failed");

  REQUIRE(lines.all().size() == 3);
  const std::regex shape(R"re(I\d{4} \d\d:\d\d:\d\d\.\d{6} +(\d+) logging_test\.cpp:\d+\] )re"
                         R"re("Synced" family="IPv4" rules="12" note="a \\"b\\""\n)re");
  std::smatch parts;
  REQUIRE(std::regex_match(lines.all()[0], parts, shape));
  CHECK(parts[1] == std::to_string(::getpid()));
  CHECK(lines.all()[1][0] == 'W');
  CHECK(lines.all()[2][0] == 'E');
}

TEST_CASE("logging: a text of others neither breaks a line nor turns it around",
          "[proxy][logging]") {
  const Lines lines(LogFormat::kText);

  proxy::log_info("Seen", {{"name", "a\u202eb\nI0101 c\x1b[31m"}});

  REQUIRE(lines.all().size() == 1);
  const std::string& line = lines.all()[0];
  CHECK(line.find('\n') == line.size() - 1);
  CHECK(line.find('\x1b') == std::string::npos);
  CHECK(line.find("\u202e") == std::string::npos);
  CHECK(line.find("202e") != std::string::npos);
}

TEST_CASE("logging: JSON lines are escaped", "[proxy][logging]") {
  const Lines lines(LogFormat::kJson);

  proxy::log_error("Cannot \"read\"", {{"error", "line 1\nline 2"}});

  REQUIRE(lines.all().size() == 1);
  const std::regex shape(
      R"re(\{"ts":\d{13}\.\d{3},"level":"error","caller":"logging_test\.cpp:\d+",)re"
      R"re("msg":"Cannot \\"read\\"","error":"line 1\\nline 2"\}\n)re");
  CHECK(std::regex_match(lines.all()[0], shape));
}

TEST_CASE("logging: a field that contains the separator does not become two", "[proxy][logging]") {
  const Lines lines(LogFormat::kText);

  proxy::log_info("Read",
                  {{"name",
                    "a\x1f"
                    "forged\x1fyes"},
                   {"empty", ""}});

  REQUIRE(lines.all().size() == 1);
  CHECK_THAT(lines.all()[0], Catch::EndsWith("\"Read\" name=\"a forged yes\" empty=\"\"\n"));
}

TEST_CASE("logging: records of plain spdlog calls appear, too, braces and all",
          "[proxy][logging]") {
  const Lines lines(LogFormat::kJson);

  spdlog::warn("watch {} ended", "services");
  spdlog::default_logger_raw()->log(spdlog::level::info, std::string_view("{oops}"));

  REQUIRE(lines.all().size() == 2);
  CHECK_THAT(lines.all()[0], Catch::Contains(R"("msg":"watch services ended")"));
  CHECK_THAT(lines.all()[1], Catch::Contains(R"("msg":"{oops}")"));
}

TEST_CASE("logging: debug lines appear from verbosity 4 on", "[proxy][logging]") {
  const Lines lines(LogFormat::kText, 3);

  proxy::log_debug("hidden");
  proxy::set_log_verbosity(4);
  proxy::log_debug("shown");

  REQUIRE(lines.all().size() == 1);
  CHECK_THAT(lines.all()[0], Catch::Contains("\"shown\""));
}

TEST_CASE("logging: whole texts appear from verbosity 9 on", "[proxy][logging]") {
  const Lines lines(LogFormat::kText, 8);

  proxy::log_trace("hidden");
  CHECK_FALSE(proxy::is_tracing());
  proxy::set_log_verbosity(9);
  proxy::log_trace("shown");
  CHECK(proxy::is_tracing());

  REQUIRE(lines.all().size() == 1);
  CHECK_THAT(lines.all()[0], Catch::StartsWith("I") && Catch::Contains("\"shown\""));
}

TEST_CASE("logging: equal errors are folded, equal information is not", "[proxy][logging]") {
  const Lines lines(LogFormat::kText);

  for (int i = 0; i < 1000; ++i) {
    proxy::log_error("Cannot list", {{"error", "connection refused"}});
    proxy::log_info("Synced");
  }

  CHECK(lines.all().size() == 1001);
}

TEST_CASE("logging: different warnings of one source line do not flood either",
          "[proxy][logging]") {
  const Lines lines(LogFormat::kText);

  for (int i = 0; i < 1000; ++i) {
    proxy::log_warning("Bad address", {{"service", i}});
  }

  CHECK(lines.all().size() == 20);
}
