#include "legacy_text_languages.h"

#include <array>

namespace headrace::formats {
namespace {

constexpr auto kLanguages = std::to_array<LanguageLetters>({
    {"en", U"éïñöèêáóü"},
    {"de", U"äüößé"},
    {"fr", U"éèàêçôîùâûïëœ"},
    {"es", U"óíáéñúü"},
    {"pt", U"ãçáéíóõêâàúô"},
    {"it", U"àèùìòé"},
    {"da", U"øåæéö"},
    {"sv", U"äåöé"},
    {"is", U"áðíéúóæöýþ"},
    {"ca", U"àéèíòóïüçú"},
    {"pl", U"łąężśćóńź"},
    {"cs", U"íáéěýřšžčůúťďňó"},
    {"sk", U"áíéýčšžťúľôňäóďŕĺ"},
    {"hu", U"áéöóőüíúű"},
    {"hr", U"šžčćđ"},
    {"ro", U"ăîşâţ"},
    {"lt", U"ėšįžųūčąę"},
    {"lv", U"āīēšūņļģčķžŗ"},
    {"et", U"äõüöšž"},
    {"tr", U"ışğüöçâî"},
    // What Windows-1258 writes behind a vowel, or as one with it.
    {"vi", U"\u0300\u0301đ\u0323àáâôêươăã\u0309íéèúóùý\u0303"},
    {"ru", U"оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"},
    {"uk", U"оаинівтеркслдумпязьгчбхцжїйщюєшфґ"},
    {"bg", U"аиеотнрсвлдкпмзъубгчяжщцйшхьюф"},
    {"sr", U"аиоенрстуjвкдмплзгбшчцњжјљћђџфх"},
    {"el", U"αοιετσνηυρπκμλςωάίθγόέήδχφύβξώζψϊϋΐΰ"},
    {"he", U"יוהלאמרתבשנכדעחקפםסטגצזןךץף"},
    {"ar", U"اليمونرتبةعدسفهكقأحجشطصخضذثزىءغظئؤإآ،؟"},
    {"th", U"านรอกเงมยลวดทสตบปคจหะพัขีไ่้ชแใ็ผ์ิืโซุูึณถธฟำศภษฉฮญฐฝฎฏฑฒฬฆๆฯ"},
});

constexpr auto kCandidates = std::to_array<CharsetCandidate>({
    {"windows-1252", Script::latin, " en de fr es pt it da sv is ca et ", 0},
    {"windows-1250", Script::latin, " pl cs sk hu hr ro de ", -1},
    {"iso-8859-2", Script::latin, " pl cs sk hu hr ro de ", -1.5},
    {"windows-1254", Script::latin, " tr ", -1},
    {"windows-1257", Script::latin, " lt lv et ", -1.5},
    {"iso-8859-4", Script::latin, " lt lv et ", -3},
    {"windows-1258", Script::latin, " vi ", -2},
    {"macintosh", Script::latin, " de fr es pt it da sv ", -4},
    {"ibm850", Script::latin, " de fr es pt it da sv ", -4},
    {"ibm852", Script::latin, " pl cs sk hu hr ", -5},
    {"windows-1251", Script::other, " ru uk bg sr ", -0.5},
    {"koi8-r", Script::other, " ru ", -0.8},
    {"koi8-u", Script::other, " uk ", -1.5},
    {"ibm866", Script::other, " ru bg ", -2},
    {"iso-8859-5", Script::other, " ru bg sr ", -2.5},
    {"x-mac-cyrillic", Script::other, " ru uk ", -5},
    {"windows-1253", Script::other, " el ", -1},
    {"iso-8859-7", Script::other, " el ", -1.5},
    {"windows-1255", Script::other, " he ", -1},
    {"windows-1256", Script::other, " ar ", -1.5},
    {"iso-8859-6", Script::other, " ar ", -2.5},
    {"windows-874", Script::other, " th ", -1},
    {"windows-31j", Script::japanese, "", -0.5},
    {"euc-jp", Script::japanese, "", -1},
    {"gb18030", Script::simplified, "", -0.5},
    {"big5", Script::traditional, "", -0.5},
    {"windows-949", Script::korean, "", -0.5},
});

constexpr std::u32string_view kSimplified =
    U"的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过"
    U"发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本"
    U"前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很"
    U"最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度"
    U"门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活更别打女变四神总何电数"
    U"安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科"
    U"司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取"
    U"欢迎您谢测试编码简体网络请语字错误";
constexpr std::u32string_view kTraditional =
    U"的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過"
    U"發後作裡用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本"
    U"前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很"
    U"最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老給世位次度"
    U"門任常先海通教兒原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活更別打女變四神總何電數"
    U"安少報才結反受目太量再感建務做接必場件計管期市直德資命山金指克許統區保至隊形社便空決治展馬科"
    U"司五基眼書非則聽白卻界達光放強即像難且權思王象完設式色路記南品住告類求據程北邊死張該交規萬取"
    U"歡迎您謝測試編碼繁體網路請語字錯誤臺灣";
constexpr std::u32string_view kJapanese =
    U"日一国会人年大十二本中長出三同時政事自行社見月分議後前民生連五発間対上部東者党地合市業内相方"
    U"四定今回新場金員九入選立開手米力学問高代明実円関決子動京全目表戦経通外最言氏現理調体化田当八"
    U"六約主題下首意法不来作性的要用制治度務強気小七成期公野協取都和統以機平総加山思家話世受区領多"
    U"県続進正安設保改数記院女初北午指権心界支第産結百派点教報済書府活原先共得解名交資予川向際査勝"
    U"面委告軍文反元重近千考判認画海参売利組知案道信策集在件団別物側任引使求所次水半品昨論計死官増"
    U"係感特情投示変打男基私各始島直両朝価式確村提運終果勢減広容必応演電歳住争談能無再位置企真流格"
    U"有疑口過局少放税常料状工建語空職証急止送援供可構木割身費付由説転食比難防車夫研何南石違消番規"
    U"術護展態導備害配視条幹独警究席写読字漢試験章句符号化漢";
constexpr std::u32string_view kKorean =
    U"이다는에의을가고하은지를한사기로어도나아리자시서대인라해그일만전정들스있보수제여부상조장주면"
    U"과신"
    U"구원동게안성비공우화개국마오것연경선거모소관내방없무니었년말미유회학식교바요중진물발려문세위"
    U"출습"
    U"까녕계감합테트코드글파터생각람집업때더였계체민용당실심등되된할및와적으던며여러본입";

}  // namespace

std::span<const LanguageLetters> alphabet_languages() {
  return kLanguages;
}
std::span<const CharsetCandidate> charset_candidates() {
  return kCandidates;
}
std::u32string_view frequent_characters(Script script) {
  switch (script) {
    case Script::japanese:
      return kJapanese;
    case Script::simplified:
      return kSimplified;
    case Script::traditional:
      return kTraditional;
    case Script::korean:
      return kKorean;
    default:
      return {};
  }
}

}  // namespace headrace::formats
