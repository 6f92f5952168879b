#include "k8sclient/objects/json_text.h"

#include <cstddef>
#include <cstdint>

#include <fmt/format.h>

namespace k8sclient {

namespace {

/// Bytes of the well-formed UTF-8 sequence at the start of `text`; 0 if there is none.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  const std::size_t length = lead < 0x80                    ? 1
                             : lead >= 0xc2 && lead <= 0xdf ? 2
                             : lead >= 0xe0 && lead <= 0xef ? 3
                             : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                            : 0;
  if (length == 0 || text.size() < length) {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) {
      return 0;
    }
  }
  // Overlong forms, surrogates and code points beyond U+10FFFF.
  const bool bad_second =
      length > 2 && ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f) ||
                     (lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f));
  return bad_second ? 0 : length;
}

void append_escaped(std::string& out, char character) {
  switch (character) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\r':
      out += "\\r";
      return;
    default:
      if (static_cast<std::uint8_t>(character) < 0x20 || character == 0x7f) {
        out += fmt::format("\\u{:04x}", static_cast<unsigned>(character));
      } else {
        out += character;
      }
  }
}

/// Characters of more than one byte that a terminal or a reader's eye may obey: C1 controls, line
/// separators, and those that turn the direction of text around ("Trojan Source",
/// CVE-2021-42574). The Unicode Character Database's Bidi_Control, and lines of §5.8.
bool is_treacherous(char32_t code) {
  return (code >= 0x80 && code <= 0x9f) || code == 0x61c || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

/// Of a sequence of two or three bytes; 0 for longer ones, none of which is treacherous.
char32_t code_of(std::string_view sequence) {
  const auto bits = [&](std::size_t i, std::uint8_t mask) {
    return static_cast<char32_t>(static_cast<std::uint8_t>(sequence[i]) & mask);
  };
  return sequence.size() == 2   ? bits(0, 0x1f) << 6 | bits(1, 0x3f)
         : sequence.size() == 3 ? bits(0, 0x0f) << 12 | bits(1, 0x3f) << 6 | bits(2, 0x3f)
                                : 0;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) {
      out += "\xef\xbf\xbd";
    } else if (length == 1) {
      append_escaped(out, text[0]);
    } else if (const char32_t code = code_of(text.substr(0, length)); is_treacherous(code)) {
      out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(code));
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

}  // namespace k8sclient
