#include "k8sclient/yaml_limits.h"

#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

namespace k8sclient {

namespace {

// Leaves the parser by an exception as soon as a limit is passed, before the parser recurses.
class Guard : public YAML::EventHandler {
 public:
  explicit Guard(int depth) : depth_left_(depth) {}

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { refuse(mark, anchor); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override { refuse(mark, anchor); }

  void OnScalar(const YAML::Mark& mark,
                const std::string& /*tag*/,
                YAML::anchor_t anchor,
                const std::string& /*value*/) override {
    refuse(mark, anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark,
                       const std::string& /*tag*/,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    descend(mark, anchor);
  }

  void OnSequenceEnd() override { ++depth_left_; }

  void OnMapStart(const YAML::Mark& mark,
                  const std::string& /*tag*/,
                  YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    descend(mark, anchor);
  }

  void OnMapEnd() override { ++depth_left_; }

 private:
  void descend(const YAML::Mark& mark, YAML::anchor_t anchor) {
    refuse(mark, anchor);
    if (--depth_left_ < 0) {
      throw YAML::ParserException(mark, "nested too deeply");
    }
  }

  static void refuse(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      throw YAML::ParserException(mark, "anchors and aliases are not supported");
    }
  }

  int depth_left_;
};

}  // namespace

std::optional<YamlProblem> find_yaml_problem(std::string_view text, const YamlLimits& limits) {
  if (text.size() > limits.bytes) {
    return YamlProblem{0, fmt::format("larger than {} bytes", limits.bytes)};
  }
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Guard guard(limits.depth);
    while (parser.HandleNextDocument(guard)) {
    }
  } catch (const YAML::Exception& error) {
    return YamlProblem{error.mark.line + 1, error.msg};
  }
  return std::nullopt;
}

}  // namespace k8sclient
