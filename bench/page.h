#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/log_plot.h"

namespace bench {

/// One page that refers to nothing outside of it: the title, a paragraph under it, and the content,
/// which is HTML.
std::string page(std::string_view title, std::string_view about, std::string_view content);

/// What colour and dashes of lines mean: each name once, in that order.
std::string legend_of(const std::vector<PlotLine>& lines);

/// The first row is the head. Cells are HTML.
std::string table_of(const std::vector<std::vector<std::string>>& rows);

}  // namespace bench
