#include "rules/bpf_program.h"

#include <array>

#include <fmt/format.h>

namespace rules {

namespace {

// linux/bpf_common.h, whose names are macros of the kernel interface.
constexpr std::uint16_t kLoadWord = 0x20;     // BPF_LD | BPF_W | BPF_ABS
constexpr std::uint16_t kCopyToX = 0x07;      // BPF_MISC | BPF_TAX
constexpr std::uint16_t kJumpIfX = 0x1d;      // BPF_JMP | BPF_JEQ | BPF_X
constexpr std::uint16_t kReturn = 0x06;       // BPF_RET | BPF_K
constexpr std::uint32_t kEverything = 65535;  // bytes of the packet: anything but 0 is a yes

/// Compares two addresses of so many words, which stand one behind the other in the header.
template <std::size_t Words>
constexpr auto comparison(std::uint32_t source) {
  std::array<BpfInstruction, 4 * Words + 2> program{};
  constexpr std::size_t kRefusal = 4 * Words + 1;
  for (std::size_t i = 0; i < Words; ++i) {
    const auto at = static_cast<std::uint32_t>(source + 4 * i);
    program[4 * i] = {kLoadWord, 0, 0, at};
    program[4 * i + 1] = {kCopyToX, 0, 0, 0};
    program[4 * i + 2] = {kLoadWord, 0, 0, at + 4 * static_cast<std::uint32_t>(Words)};
    program[4 * i + 3] = {kJumpIfX, 0, static_cast<std::uint8_t>(kRefusal - (4 * i + 3) - 1), 0};
  }
  program[kRefusal - 1] = {kReturn, 0, 0, kEverything};
  program[kRefusal] = {kReturn, 0, 0, 0};
  return program;
}

constexpr auto kIpv4 = comparison<1>(12);
constexpr auto kIpv6 = comparison<4>(8);

}  // namespace

std::span<const BpfInstruction> source_is_destination(Family family) {
  return family == Family::kIpv4 ? std::span<const BpfInstruction>(kIpv4)
                                 : std::span<const BpfInstruction>(kIpv6);
}

std::string bpf_text(std::span<const BpfInstruction> program) {
  std::string text = fmt::format("{}", program.size());
  for (const BpfInstruction& instruction : program) {
    fmt::format_to(std::back_inserter(text),
                   ",{} {} {} {}",
                   instruction.code,
                   instruction.if_true,
                   instruction.if_false,
                   instruction.operand);
  }
  return text;
}

}  // namespace rules
