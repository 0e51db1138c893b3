"""The words that stand around poems: dynasties, labels, names of forms and of commentary, and how poets are named."""

from __future__ import annotations

import re

from .rhymes import RHYME_BOOKS

HAN = r"\u3007\u25a1\u3400-\u9fff\U00020000-\U0003ffff"
NUMERAL = "一二三四五六七八九十百"
ENDS = "，。！？；,.?!;．｡﹐﹒︐︒"
REGULAR = (5, 7)

DYNASTY = (
    "先秦|春秋|战国|戰國|秦|西汉|东汉|西漢|東漢|两汉|汉代|漢代|汉朝|漢朝|汉|漢|三国|三國|魏晋|魏晉|魏|西晋|东晋|西晉|東晉|晋|晉|"
    "南北朝|南朝宋|南朝梁|南朝|北朝|北魏|北齐|北周|齐|齊|梁|陈|陳|隋代|隋朝|隋|盛唐|中唐|晚唐|初唐|唐代|唐朝|唐|五代|后蜀|南唐|"
    "辽|遼|北宋|南宋|宋代|宋朝|宋|金朝|金代|金|元代|元朝|元|明代|明朝|明|清代|清朝|清|近现代|近代|现代|現代|当代|當代|民国|民國"
)
_BOOKS = "|".join(name for book in RHYME_BOOKS for name in dict.fromkeys((book, book.removeprefix("中华"))))
TITLE_LABELS = [
    "题目",
    "題目",
    "标题",
    "標題",
    "诗题",
    "詩題",
    "篇名",
    "诗名",
    "詩名",
    "歌名",
    "曲名",
    "题",
    "題",
    "title",
]
POET_LABELS = [
    "作者",
    "诗人",
    "詩人",
    "作词",
    "作詞",
    "原诗",
    "撰文",
    "词",
    "詞",
    "诗",
    "詩",
    "文",
    "by",
    "author",
    "poet",
]
TEXT_LABELS = ["正文", "原文", "内容", "內容", "text", "content", "lines", "body"]
_OTHER_LABELS = (
    "朝代|年代|体裁|體裁|诗体|出处|出處|来源|來源|出自|选自|作曲|编曲|曲|演唱|朗诵|诵读|专辑|配乐|韵部|用韵|韵|"
    "标签|分类|编辑|图|姓名|班级|学号|作业|日期|楼主|樓主|网友|網友|学生|學生|老师|老師|问|問|答|横批|橫批|dynasty|form|date|source"
)
#: What follows such a word is about the poem.
COMMENTARY = (
    "注释|注釋|註釋|注解|註解|简注|注|註|译文|譯文|今译|今譯|韵译|韻譯|白话|翻译|翻譯|赏析|賞析|鉴赏|鑒賞|评析|評析|作品赏析|"
    "简析|点评|评点|创作背景|写作背景|背景|作者简介|作者介绍|题解|释义|诗意|大意|附注|备注|说明|說明|创作说明|創作說明|校记|校記|一作|一本作|又作"
)
_FORM = re.compile(
    r"[五七](?:言)?(?:绝句?|絕句?|律诗?|律詩?|排律?|古风?|古诗?)|绝句|律诗|古风|"
    rf"{_BOOKS}|"
    rf"[卷第][{NUMERAL}\d]+[卷章册]?|"
    r"全?[唐宋][诗詩词詞](?:三百首|选|選)|习作|習作|原创|原創|"
    r"(?:[每今]日|经典)?(?:[一古]?[诗詩][词詞]?|唐诗|宋词|古诗词|诗歌)(?:鉴赏|欣赏|分享|诵读)?"
)
# The part of a title that looks like a name: 其一, 二首, 并序.
_OF_TITLE = re.compile(rf"[（(]?其?[{NUMERAL}\d]+[）)]?首?|[并有][序引叙]|并序|並序")
# The commonest of the poets', single and double.
_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙朱马胡郭林何高梁郑罗宋谢唐韩曹许邓萧冯曾程蔡彭潘袁于董余苏叶吕魏蒋田杜丁沈姜范江傅钟卢汪戴崔任陆廖姚方金邱"
    "夏谭韦贾邹石熊孟秦阎薛侯雷白龙段郝孔邵史毛常万顾赖武康贺严尹钱施牛洪龚岑元柳皎齐贯晏柳欧辛文祖骆储裴綦戎司皇上独令温纳纪晁项张窦权鲍"
    "張劉陳楊趙黃吳孫馬鄭羅謝韓許鄧蕭馮蘇葉呂蔣鍾盧陸譚賈鄒閻龍顧賴賀嚴錢龔駱竇權紀項畢毕祝虞羊"
)
_BARE = re.compile(r"[（(\[【〔].*?[）)\]】〕]")
_BEFORE = re.compile(rf"^(?:{DYNASTY})[·•・:：|｜/、\s]+")
_BEHIND = re.compile(rf"[·•・|｜/\s]+(?:{DYNASTY})$")
_COURTESY = re.compile(rf"^([{HAN}]{{2,4}})[，,]\s*[字号號].+$")
_ENDS = " ·•・:：—–-|｜/"

# An author with his dynasty: [唐] 李白, 唐·李白, 唐李白; those that are surnames too (陈) want a mark.
_BY = re.compile(
    rf"^(?:[（(\[【〔](?:{DYNASTY})[）)\]】〕]\s*[·•・:：]?|(?:{DYNASTY})[·•・.:：、|｜\s]+|[唐宋元明清][代朝]?)\s*"
    rf"([{HAN}]{{2,4}})$"
)
_LABELS = "|".join([*TITLE_LABELS, *POET_LABELS, *TEXT_LABELS, _OTHER_LABELS, _BOOKS])
_LABELLED = re.compile(
    rf"^[【\[]?((?i:{_LABELS}))[】\]]?\s*[:：|｜/]\s*(.*)$|^[【\[]({_LABELS})[】\]]\s*(.*)$|^([bB]y)\s+(.+)$"
)
_COMMENTARY = re.compile(
    rf"^[【\[（(]?(?:{COMMENTARY})(?:[及和与與、/](?:{COMMENTARY}))*\d?[】\])）]?\s*(?:[:：]|$)|^[【\[（(](?:{COMMENTARY})[】\])）]"
)
# Who has no name: those of whom only that is said.
_NAMELESS = re.compile("佚名|无名氏|無名氏|(?:[汉漢]|[南北]朝)?[乐樂]府(?:民歌|诗|詩)?|(?:[汉漢]|[南北]朝)民歌")
# A cry, a line of its own in mixed verse; the same character three times is nobody's name.
_CRY = re.compile(rf"君不[见見闻聞]|噫吁[嚱戏戲]|[嗟吁噫][乎夫呼]|[呜嗚]呼|([{HAN}])\1\1")
# How titles end, those of songs above all, and how they begin.
_TITLE = re.compile(rf"[{HAN}]{{2,}}[歌行吟曲引辞辭篇谣謠难難首诗詩词詞赋賦咏詠]|[送寄赠贈题題咏詠奉酬答][{HAN}]{{2,}}")
_ADDRESS = re.compile(
    r"诗[云曰]$|[写說说吟]道$|^[请請求]|[请請](?:老师|大家|各位|问|看|指|批|赐)|帮[我忙]|看看|默写|默寫|背诵|背誦|朗读|阅读|试析|谢谢|謝謝|多谢|指正|斧正|点评|这首|這首|"
    r"[，。！？；]|[是的].*一首"
)

_PLEA = re.compile("[请請](?:老师|大家|各位|指|批|赐)|指正|指教|斧正|谢谢|謝謝|多谢")


def is_commentary(text: str) -> bool:
    """Whether what follows this row is about the poem: 注释：, 译文及注释, 【赏析】."""
    return bool(_COMMENTARY.match(text))


def label(text: str) -> tuple[str, str] | None:
    """A label of a row and what it says: ``作者：李白`` is ("作者", "李白")."""
    text = re.sub(rf"^([{HAN}])[ \t\u3000]+([{HAN}])(?=\s*[:：])", r"\1\2", text)  # 作　者：
    if not (found := _LABELLED.match(text)):
        return None
    name, said = [part for part in found.groups() if part is not None]
    return name.lower(), said.strip()


def is_form(text: str) -> bool:
    """Whether it names a form or a kind of verse: 七绝, 五言律诗."""
    return bool(_FORM.fullmatch(text))


def is_of_title(text: str) -> bool:
    """Whether it is the end of a title, though as long as a name: 其一, 二首, 并序."""
    return bool(_OF_TITLE.fullmatch(text))


def named(text: str) -> str:
    """A poet's name without dynasty and marks: ``[唐] 李白``, ``唐·李白``, ``李白〔唐代〕``; empty if it is no name."""
    bare = _BEHIND.sub("", _BEFORE.sub("", _BARE.sub("", _COURTESY.sub(r"\1", text)).strip(_ENDS))).strip(_ENDS)
    return bare if re.fullmatch(f"[{HAN}]{{1,6}}", bare) and not is_of_title(bare) else ""


def is_by(text: str) -> bool:
    """Whether it is an author with his dynasty: [唐] 李白, 唐·李白; not a title such as 宋中十首."""
    return bool(found := _BY.match(text)) and found[1][-1] not in "首歌行词诗曲吟韵乐"


def is_courtesy(text: str) -> bool:
    """Whether it is a name with another name of its bearer: 张继，字懿孙."""
    return bool(_COURTESY.match(text))


def is_name(text: str) -> bool:
    """Whether it is surely meant as a poet's name: with a dynasty, or two to four characters after a surname."""
    return (
        is_by(text) or bool(_NAMELESS.fullmatch(text)) or (2 <= len(bare := named(text)) <= 4 and bare[0] in _SURNAMES)
    )


def is_cry(text: str) -> bool:
    """Whether it is a short line that calls out, and no title or name: 君不见, 噫吁嚱, 鹅鹅鹅."""
    return bool(_CRY.fullmatch(text))


def is_title(text: str) -> bool:
    """Whether it begins or ends as titles do, though a verse line might: 登幽州台歌, 送友人."""
    return bool(_TITLE.fullmatch(text))


def is_address(text: str) -> bool:
    """Whether a heading speaks to the reader or about the poem, and is no title: 请老师看看, 王之涣有诗云."""
    return bool(_ADDRESS.search(text))


def are_regular(pieces: list[str]) -> bool:
    """Whether all lines are of five or all of seven characters."""
    return len(lengths := {*map(len, pieces)}) == 1 and lengths <= {*REGULAR}


def is_spoken(text: str) -> bool:
    """Whether it has words of everyday speech, which make it a sentence: 写了一首."""
    return bool(re.search("[了我你们們吗嗎呢的]", text))


def is_plea(text: str) -> bool:
    """Whether it asks the reader for his judgement, or thanks him: 请大家多多指教, 谢谢."""
    return bool(_PLEA.search(text))


__all__ = ["COMMENTARY", "DYNASTY", "ENDS", "HAN", "NUMERAL", "REGULAR", "POET_LABELS", "TEXT_LABELS", "TITLE_LABELS"]
__all__ += [
    "are_regular",
    "is_address",
    "is_by",
    "is_commentary",
    "is_courtesy",
    "is_cry",
    "is_form",
    "is_name",
    "is_of_title",
    "is_plea",
    "is_spoken",
    "is_title",
]
__all__ += ["label", "named"]
