"""What somebody may write into a directory object, a log row or a message to make a card say something else."""

BIDI = "\u202emoc.osotnoc@eodj\u202c"
MARKDOWN = "[Approve](https://evil.example) **now** `x`"
LINES = "Jane\r\n\r\n# Approved by Security\n- all good"
MENTION = "<at>Security Admin</at> please approve"
LONG = "A" * 5_000
STACKED = "e" + "\u0301" * 5_000
CONTROLS = "Jane\x00\x1b[31m\x07Doe\x85"
INVISIBLE = "Ja\u200bne\u00ad\ufeff Doe\U000e0041"
HALF = "Jane \ud800 Doe"
EXPANDING = "{{DATE(2017-02-14T06:08:00Z,SHORT)}} ${evil}"
MARKUP = "<img src=x onerror=alert(1)><script>alert(1)</script>"
FORMULA = '=HYPERLINK("https://evil.example")'
SECRETS = "bind failed, password=Hunter2!now Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
EMOJI = "\U0001f600" * 200

HOSTILE = {
    "bidi": BIDI,
    "markdown": MARKDOWN,
    "lines": LINES,
    "mention": MENTION,
    "long": LONG,
    "stacked marks": STACKED,
    "controls": CONTROLS,
    "invisible": INVISIBLE,
    "half a character": HALF,
    "expanding": EXPANDING,
    "markup": MARKUP,
    "formula": FORMULA,
    "secrets": SECRETS,
    "emoji": EMOJI,
}
EVERYTHING = " ".join(HOSTILE.values())
LEAKS = ("Hunter2", "eyJzdWIi", "c2lnbmF0dXJl")
