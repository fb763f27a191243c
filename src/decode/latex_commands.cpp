#include "decode/latex_commands.h"

#include <algorithm>
#include <array>

namespace headrace {
namespace {

struct SectionCommand {
  std::string_view name;
  uint8_t level;
};
constexpr auto kSections = std::to_array<SectionCommand>({
    {"part", 1},
    {"chapter", 1},
    {"section", 2},
    {"subsection", 3},
    {"subsubsection", 4},
    {"paragraph", 5},
    {"subparagraph", 6},
    {"frametitle", 3},
});
// Commands that vanish together with this many arguments.
struct DroppedCommand {
  std::string_view name;
  int arguments;
};
constexpr auto kDropped = std::to_array<DroppedCommand>({
    {"label", 1},          {"ref", 1},
    {"eqref", 1},          {"pageref", 1},
    {"autoref", 1},        {"cref", 1},
    {"Cref", 1},           {"includegraphics", 1},
    {"usepackage", 1},     {"documentclass", 1},
    {"bibliography", 1},   {"bibliographystyle", 1},
    {"vskip", 0},          {"setlength", 2},
    {"addtolength", 2},    {"setcounter", 2},
    {"addtocounter", 2},   {"input", 1},
    {"include", 1},        {"newcommand", 2},
    {"renewcommand", 2},   {"providecommand", 2},
    {"newenvironment", 3}, {"def", 1},
    {"pagestyle", 1},      {"thispagestyle", 1},
    {"cline", 1},          {"index", 1},
    {"color", 1},          {"textcolor", 1},
    {"colorbox", 1},       {"href", 1},
    {"parbox", 1},         {"scalebox", 1},
    {"raisebox", 1},       {"resizebox", 2},
    {"multicolumn", 2},    {"multirow", 2},
    {"fontsize", 2},       {"nocite", 1},
    {"hypersetup", 1},     {"geometry", 1},
    {"pagenumbering", 1},  {"selectlanguage", 1},
    {"cmidrule", 1},       {"addcontentsline", 3},
    {"newtheorem", 2},     {"DeclareMathOperator", 2},
    {"bibitem", 1},        {"foreignlanguage", 1},
    {"linewidth", 0},      {"textwidth", 0},
    {"graphicspath", 1},   {"captionsetup", 1},
});
constexpr auto kVerbatim = std::to_array<std::string_view>(
    {"verbatim", "Verbatim", "lstlisting", "minted", "alltt", "BVerbatim"});
constexpr auto kMath = std::to_array<std::string_view>(
    {"equation", "equation*", "align", "align*", "gather", "gather*", "multline", "multline*",
     "eqnarray", "eqnarray*", "displaymath", "math", "alignat", "alignat*", "flalign", "flalign*"});
constexpr auto kDroppedBodies =
    std::to_array<std::string_view>({"comment", "tikzpicture", "filecontents"});
constexpr auto kTables = std::to_array<std::string_view>(
    {"tabular", "tabular*", "tabularx", "longtable", "tabulary", "array"});
constexpr auto kLists = std::to_array<std::string_view>(
    {"itemize", "enumerate", "description", "thebibliography", "compactitem"});

template <typename List>
bool holds(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

}  // namespace

uint8_t latex_heading_level(std::string_view command) {
  const auto found = std::ranges::find(kSections, command, &SectionCommand::name);
  return found == kSections.end() ? 0 : found->level;
}

std::optional<int> latex_dropped_arguments(std::string_view command) {
  const auto found = std::ranges::find(kDropped, command, &DroppedCommand::name);
  return found == kDropped.end() ? std::nullopt : std::optional(found->arguments);
}

LatexBody latex_body(std::string_view environment) {
  if (holds(kVerbatim, environment)) return LatexBody::verbatim;
  if (holds(kDroppedBodies, environment)) return LatexBody::dropped;
  if (holds(kMath, environment)) return LatexBody::math;
  if (holds(kLists, environment)) return LatexBody::list;
  return holds(kTables, environment) ? LatexBody::table : LatexBody::text;
}

}  // namespace headrace
