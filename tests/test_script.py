"""Verse in traditional characters, as its editions write it; OpenCC alone goes by the words of today."""

import pytest

from tang_rnn.writing.script import prose_to_traditional, to_traditional

# From the 全唐诗; each has a character that stands for several.
KNOWN = {
    "征蓬出汉塞，归雁入胡天。": "征蓬出漢塞，歸雁入胡天。",
    "秦时明月汉时关，万里长征人未还。": "秦時明月漢時關，萬里長征人未還。",
    "白发三千丈，缘愁似个长。": "白髮三千丈，緣愁似箇長。",
    "渭城朝雨浥轻尘，客舍青青柳色新。": "渭城朝雨浥輕塵，客舍青青柳色新。",
    "春城无处不飞花，寒食东风御柳斜。": "春城無處不飛花，寒食東風御柳斜。",
    "空山新雨后，天气晚来秋。": "空山新雨後，天氣晚來秋。",
    "红豆生南国，春来发几枝。": "紅豆生南國，春來發幾枝。",
    "水晶帘动微风起，满架蔷薇一院香。": "水晶簾動微風起，滿架薔薇一院香。",
}


@pytest.mark.parametrize("simple", KNOWN)
def test_known_poems_come_out_as_they_were_written(simple):
    assert to_traditional(simple) == KNOWN[simple]


def test_neighbours_decide():
    assert to_traditional("征车征人征蓬") == "征車征人征蓬" and to_traditional("征诏") == "徵詔"
    assert to_traditional("皇后与雨后") == "皇后與雨後" and to_traditional("白发") == "白髮"
    assert to_traditional("画梁") == "畫梁" and to_traditional("方才") == "方才"
    assert len(set(to_traditional("郁郁"))) == 1


def test_every_character_stays_in_its_place():
    text = "乾坤，里巷。abc𣸣〇 发\n后"
    assert len(to_traditional(text)) == len(text) and to_traditional("") == ""


def test_prose_goes_by_words_of_today():
    assert prose_to_traditional("重写其余") == "重寫其餘"
