#include "rtf_words.h"

#include <algorithm>
#include <array>

namespace headrace::formats {
namespace {

struct Destination {
  std::string_view word;
  RtfDestination destination;
};
// In byte order of the words.
constexpr std::array kDestinations = {
    Destination{"annotation", RtfDestination::ignored},
    Destination{"atnauthor", RtfDestination::ignored},
    Destination{"author", RtfDestination::author},
    Destination{"bkmkend", RtfDestination::ignored},
    Destination{"bkmkstart", RtfDestination::ignored},
    Destination{"category", RtfDestination::ignored},
    Destination{"colortbl", RtfDestination::ignored},
    Destination{"comment", RtfDestination::ignored},
    Destination{"company", RtfDestination::ignored},
    Destination{"creatim", RtfDestination::created},
    Destination{"doccomm", RtfDestination::ignored},
    Destination{"falt", RtfDestination::ignored},
    Destination{"filetbl", RtfDestination::ignored},
    Destination{"fldinst", RtfDestination::ignored},
    Destination{"fontemb", RtfDestination::ignored},
    Destination{"fonttbl", RtfDestination::font_table},
    Destination{"footer", RtfDestination::ignored},
    Destination{"footerf", RtfDestination::ignored},
    Destination{"footerl", RtfDestination::ignored},
    Destination{"footerr", RtfDestination::ignored},
    Destination{"footnote", RtfDestination::footnote},
    Destination{"ftncn", RtfDestination::ignored},
    Destination{"ftnsep", RtfDestination::ignored},
    Destination{"ftnsepc", RtfDestination::ignored},
    Destination{"header", RtfDestination::ignored},
    Destination{"headerf", RtfDestination::ignored},
    Destination{"headerl", RtfDestination::ignored},
    Destination{"headerr", RtfDestination::ignored},
    Destination{"info", RtfDestination::info},
    Destination{"keywords", RtfDestination::keywords},
    Destination{"listtable", RtfDestination::ignored},
    Destination{"listtext", RtfDestination::list_mark},
    Destination{"manager", RtfDestination::ignored},
    Destination{"nextfile", RtfDestination::ignored},
    Destination{"nonesttables", RtfDestination::ignored},
    Destination{"nonshppict", RtfDestination::ignored},
    Destination{"objclass", RtfDestination::ignored},
    Destination{"objdata", RtfDestination::ignored},
    Destination{"objname", RtfDestination::ignored},
    Destination{"operator", RtfDestination::ignored},
    Destination{"pict", RtfDestination::ignored},
    Destination{"pn", RtfDestination::ignored},
    Destination{"pntext", RtfDestination::list_mark},
    Destination{"pntxta", RtfDestination::ignored},
    Destination{"pntxtb", RtfDestination::ignored},
    Destination{"printim", RtfDestination::ignored},
    Destination{"revtbl", RtfDestination::ignored},
    Destination{"revtim", RtfDestination::revised},
    Destination{"rxe", RtfDestination::ignored},
    Destination{"shprslt", RtfDestination::ignored},
    Destination{"sn", RtfDestination::ignored},
    Destination{"stylesheet", RtfDestination::style_sheet},
    Destination{"subject", RtfDestination::subject},
    Destination{"sv", RtfDestination::ignored},
    Destination{"tc", RtfDestination::ignored},
    Destination{"title", RtfDestination::title},
    Destination{"txe", RtfDestination::ignored},
    Destination{"xe", RtfDestination::ignored},
};
static_assert(std::is_sorted(kDestinations.begin(), kDestinations.end(),
                             [](const auto& a, const auto& b) { return a.word < b.word; }));

struct Character {
  std::string_view word;
  char32_t value;
};
constexpr std::array kCharacters = {
    Character{"bullet", 0x2022}, Character{"emdash", 0x2014}, Character{"emspace", ' '},
    Character{"endash", 0x2013}, Character{"enspace", ' '},   Character{"ldblquote", 0x201C},
    Character{"lquote", 0x2018}, Character{"qmspace", ' '},   Character{"rdblquote", 0x201D},
    Character{"rquote", 0x2019}, Character{"tab", '\t'},      Character{"line", '\n'},
    Character{"nestcell", ' '},  Character{"zwj", 0x200D},    Character{"zwnj", 0x200C},
};

}  // namespace

RtfDestination rtf_destination(std::string_view word) {
  const auto found =
      std::lower_bound(kDestinations.begin(), kDestinations.end(), word,
                       [](const Destination& a, std::string_view b) { return a.word < b; });
  return found != kDestinations.end() && found->word == word ? found->destination
                                                             : RtfDestination::none;
}

char32_t rtf_character(std::string_view word) {
  for (const Character& one : kCharacters) {
    if (one.word == word) return one.value;
  }
  return 0;
}

int rtf_code_page_of_charset(int charset) {
  switch (charset) {
    case 77:
      return 10000;
    case 128:
      return 932;
    case 129:
      return 949;
    case 130:
      return 1361;
    case 134:
      return 936;
    case 136:
      return 950;
    case 161:
      return 1253;
    case 162:
      return 1254;
    case 163:
      return 1258;
    case 177:
      return 1255;
    case 178:
      return 1256;
    case 186:
      return 1257;
    case 204:
      return 1251;
    case 222:
      return 874;
    case 238:
      return 1250;
    case 254:
      return 437;
    case 255:
      return 850;
    default:
      return 0;
  }
}

}  // namespace headrace::formats
