#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rules {

/// Words of a rule: split at blanks, quotes respected. `raw` keeps quotes and escapes.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) { advance(); }

  bool done() const { return word_.empty(); }

  bool is_malformed() const { return malformed_; }

  std::string_view raw() const { return word_; }

  std::size_t begin() const { return static_cast<std::size_t>(word_.data() - text_.data()); }

  /// The word without quotes and escapes, and on to the next one.
  std::string take() {
    std::string out;
    for (std::size_t i = 0; i < word_.size(); ++i) {
      if (word_[i] == '\\' && i + 1 < word_.size()) {
        out += word_[++i];
      } else if (word_[i] != '"') {
        out += word_[i];
      }
    }
    advance();
    return out;
  }

  /// A word that needs no unquoting.
  std::string_view take_raw() {
    const std::string_view word = word_;
    advance();
    return word;
  }

  bool take_if(std::string_view expected) {
    if (word_ != expected) {
      return false;
    }
    advance();
    return true;
  }

  /// Text from `begin` to the end of the word before the current one.
  std::string_view text_from(std::size_t begin) const {
    return text_.substr(begin, previous_end_ - begin);
  }

 private:
  void advance() {
    if (!word_.empty()) {
      previous_end_ = begin() + word_.size();
      position_ = previous_end_;
    }
    while (position_ < text_.size() && text_[position_] == ' ') {
      ++position_;
    }
    std::size_t end = position_;
    bool quoted = false;
    while (end < text_.size() && (quoted || text_[end] != ' ')) {
      if (text_[end] == '\\' && end + 1 < text_.size()) {
        ++end;
      } else if (text_[end] == '"') {
        quoted = !quoted;
      }
      ++end;
    }
    malformed_ = malformed_ || quoted;
    word_ = text_.substr(position_, end - position_);
  }

  std::string_view text_;
  std::string_view word_;
  std::size_t position_ = 0;
  std::size_t previous_end_ = 0;
  bool malformed_ = false;
};

}  // namespace rules
