"""Answers in which something was to be filled in and never was."""

import re

from tuneline.records import Record

PLACEHOLDER = re.compile(r"(?<![A-Za-z}^_\\])\{\{\s*[\w.\-]+\s*\}\}(?!\{)")
"""Not the braces of a LaTeX formula."""
ABOUT_TEMPLATES = re.compile(
    "```|jinja|handlebars|mustache|vue|helm|template|模板|模版", re.IGNORECASE
)
UNNAMED_ARTICLE = re.compile(r"第\s*(?:[XxＸｘ×*＊_＿?？]{1,4}|某+|[□○〇]{2,4})\s*条")
BLANK_FIELD = re.compile(
    r"[\[【［][^\[\]【】［］\n]{0,6}(?:姓名|名字|名称|日期|地址|电话|号码)[\]】］]"
    r"|[\[【［](?:插入|填写|填入|此处)[^\[\]【】［］\n]{0,12}[\]】］]"
    r"|\[(?:Your|Insert|Company|Client(?:['’]s)?|Recipient(?:['’]s)?)\b[^\[\]\n]{0,40}\]"
    r"|\[(?:your|insert|INSERT|YOUR)\b[^\[\]\n]{1,40}\]"
    r"|\[(?:Name|NAME|Date|DATE|Address|Phone Number|Signature)\](?!\()"
)


def find_placeholder(record: Record) -> tuple[str, int] | None:
    """`{{name}}` or an article of law without its number, unless templates are the topic."""
    answer = record.reference
    if "{{" in answer and (match := PLACEHOLDER.search(answer)):
        if ABOUT_TEMPLATES.search(record.prompt_text) or ABOUT_TEMPLATES.search(answer):
            return None
        return f"{match.group()} was never filled in", match.start()
    if "条" in answer and (match := UNNAMED_ARTICLE.search(answer)):
        return f"{match.group()} names no article", match.start()
    return None


def find_blank_field(record: Record) -> tuple[str, int] | None:
    """A field such as [Your Name] or 【姓名】: right in a form, wrong in a letter."""
    answer = record.reference
    if not ("[" in answer or "【" in answer or "［" in answer):
        return None
    match = BLANK_FIELD.search(answer)
    return (f"{match.group()} is a blank to fill in", match.start()) if match else None
