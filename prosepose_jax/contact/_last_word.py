"""What the prose of an answer says about its tables: which are ruled out, and whether the last word is "none"."""

from __future__ import annotations

import re

from prosepose_jax.contact._phrases import parts_named

_MAX_PROSE = 6_000  # characters read before and after a table
_MARKUP = re.compile(r"<[^<>]*>|[*_`#>~]+|^\s*(?:[-•+]|\d+[.)])\s+")

_ABOUT = r"(?:actual|physical|direct|visible|real|clear|true|body|apparent|evident|confirmed|definite|such|any)"
_RULED_OUT = re.compile(
    rf"\b(?:ruled|ruling)[\s-]+out\b|\b(?:reject|exclud|discard|dismiss|eliminat|retract|withdraw|struck|remov|"
    rf"omitt|denied)"
    rf"(?:ed|n|s)?\b|\b(?:not|never|n't)\s+(?:{_ABOUT}\s+|actually\s+|in\s+)*(?:touch|contact|confirm|includ|"
    rf"used|count)"
    rf"|\bnon[\s-]*(?:contacts?|touching)\b|\bno[\s-]+(?:{_ABOUT}[\s-]+)*(?:contacts?|touch(?:ing|es)?)\b"
    r"|\bfalse positives?\b|\bnear[\s-]+miss|\bwithout contact\b|\bconsidered(?: and| but)\b|\bwrong\b|\bincorrect\b"
    r"|\bdo(?:es)?n't touch|\bseparated?\b|\bapart\b|\bgaps?\b|\bimplausible\b|\bunlikely\b|\bimpossible\b"
)
_NOT_RULED_OUT = re.compile(
    r"\b(?:can ?not|can't|could not|couldn't|not)\s+(?:be\s+)?(?:yet\s+)?"
    r"(?:ruled|exclud|reject|discard|dismiss|eliminat)"
    r"|\b(?:without|excluding|minus|after|having|instead of|replac\w+|other than)\b"
    r"|\b(?:final|corrected|revised|remaining|kept|updated|confirmed)\b"
)
_A_LESSER_LIST = re.compile(
    r"\b(?:possibl[ey]|potential(?:ly)?|uncertain|unclear|ambiguous|additional|others?|further|secondary|self|"
    r"ground|floor|"
    r"object|clothing|maybe|likely|less|low|indirect|occluded|hidden|doubtful|questionable|borderline|extra|more|"
    r"person [12ab]'s own|any)\b"
)
_HEDGED = re.compile(
    r"\b(?:possibl[ey]|potential(?:ly)?|uncertain|unclear|unsure|ambiguous|maybe|perhaps|low(?:er)?[\s-]+confidence|"
    r"less (?:likely|certain|sure|clear|confident)|not (?:certain|sure|clear|confident)|doubtful|questionable|"
    r"borderline|speculative|tentative)\b"
)
_NOT_HEDGED = re.compile(
    r"\b(?:final|corrected|revised|updated|remaining|confirmed|all|definite|certain and|likely and|as .* as possible)\b"
)
_ANNOUNCES = re.compile(r"\b(?:table|final|answer|result|list|as follows|contacts? (?:are|is)|below|summary)\b")


def heading_before(prose: str) -> str:
    """The heading that a table stands under, lower case: the nearest heading, or a line that ends in a colon."""
    lines = [line for line in prose[-_MAX_PROSE:].split("\n") if line.strip(" \t\r|:-`~")]
    for number, line in enumerate(reversed(lines)):
        bare = _bare(line)
        if not bare:
            continue
        marked = line.lstrip(" >").startswith("#") or re.fullmatch(r"\s*(?:\*\*|__).+(?:\*\*|__)\s*:?\s*", line)
        sentence = re.split(r"(?<=[.!?;])\s+", bare)[-1]
        if marked or bare.endswith(":") or re.search(r"</(?:h\d|caption|b|strong)>\s*$", line):
            return sentence
        if number == 0 and len(bare.split()) <= 6 and not bare.endswith((".", "!", "?")):
            return sentence
        if _ANNOUNCES.search(sentence) or re.match(r"\s*(?:[-*•+]|\d+[.)])\s", line):
            return sentence if _ANNOUNCES.search(sentence) else ""
    return ""


def is_ruled_out(title: str) -> bool:
    """Whether a title is that of a list of what does not touch."""
    title = title.lower().replace("_", " ").replace("’", "'")
    return bool(_RULED_OUT.search(title)) and not _NOT_RULED_OUT.search(title)


def is_lesser_list(title: str) -> bool:
    """Whether a title is that of a list beside the one of contacts, whose "none" says nothing about that one."""
    title = title.lower().replace("_", " ")
    return bool(_A_LESSER_LIST.search(title)) and not re.search(r"\b(?:final|corrected|revised|updated)\b", title)


def is_hedged_list(title: str) -> bool:
    """Whether a title is that of a list of what only may touch."""
    title = title.lower().replace("_", " ")
    return bool(_HEDGED.search(title)) and not _NOT_HEDGED.search(title)


# After the last table ---------------------------------------------------------------------------

_OPENING = (
    r"(?:(?:and|but|so|thus|therefore|hence|actually|in fact|however|wait|sorry|no|ok|okay|oh|hm+|in conclusion|"
    r"conclusion|correction|to correct myself|(?:up)?on (?:second|closer|further) "
    r"(?:thought|look|inspection|review|examination)s?|on reflection|"
    r"after (?:a )?(?:second|closer|further|careful|more careful) (?:thought|look|inspection|review|examination)|"
    r"in the end|overall|looking (?:again|closer|closely)(?: at the (?:image|photo|picture))?|in (?:the|"
    r"this) (?:image|photo|picture)|(?:based on|judging from|as far as i can (?:see|tell) (?:from|in)) (?:the|this) "
    r"(?:image|photo|picture))"
    r"[\s,:;.–—-]+)*"
)
_LABEL = (
    r"(?:(?:(?:my|the|your)\s+)?(?:(?:final|corrected|correct|revised|updated|actual|true|real|new)\s+)*"
    r"(?:answer|table|list|result|verdict|version|contacts?|touching (?:parts|pairs)|"
    r"contact (?:pairs|list|table|points)|final|corrected|revised|updated)"
    r"(?:\s+(?:is|are|should be|should read))?\s*[:,–—-]?\s*)?"
)
_TAIL = (
    r"(?:\s+(?:is|are|was|were|at all|visible|present|seen|found|observed|detected|identified|occurring|happening|here|"
    r"anywhere|really|actually|between\s+(?:them|the (?:two )?(?:people|persons|individuals|figures|subjects)|the two|"
    r"these two|both|person [1a] and person [2b]|each other)|in (?:this|the) (?:image|photo|picture|scene)|"
    r"(?:with )?each other|one another|touching|in contact|of any kind|whatsoever|after all|then|to report|to list))*"
)
_PEOPLE = (
    r"(?:they|the two(?: (?:people|persons|individuals|figures|subjects))?|(?:the|these|those|both)(?: two)? "
    r"(?:people|persons|individuals|figures|subjects|bodies)|both|"
    r"person [1a] and (?:person )?[2b]|persons? [1a] and [2b])"
)
_NONE = re.compile(
    rf"{_OPENING}{_LABEL}(?:none|nothing|n/a|nil|empty(?: table| list)?|\[\s*\]"
    rf"|(?:there (?:is|are|was|were)\s+|there's\s+|i (?:can )?see\s+|i find\s+)?(?:no|not any|zero)\s+(?:{_ABOUT}\s+)*"
    rf"(?:contacts?|touch(?:es|ing)?|(?:touching |contact(?:ing)? )?(?:pairs?|rows?|points?)|"
    rf"(?:body )?parts? (?:of {_PEOPLE} )?(?:that )?(?:touch|(?:are |is )?(?:touching|in contact))|"
    r"contact (?:pairs|points))"
    rf"|none of (?:the(?:se|ir|m)?|their)(?: (?:listed|above|named))? ?(?:body )?(?:parts|pairs|rows)? ?"
    rf"(?:touch|(?:are |is |were )?(?:(?:really|actually|in fact) )?(?:touching|in (?:{_ABOUT} )?contact))"
    rf"|nothing (?:touches|is touching|is in contact)"
    rf"|{_PEOPLE}\s+(?:do not|don't|did not|are not|aren't|is not|were not|never|cannot be)\s+"
    rf"(?:(?:actually|really|physically|in fact|in)\s+)*"
    rf"(?:touch(?:ing)?|(?:{_ABOUT}\s+)?contact|mak(?:e|ing) (?:any )?contact)"
    rf"|{_PEOPLE}\s+(?:(?:just|only|actually|clearly|really)\s+)*(?:stand|are|remain|sit|stay)\s+"
    rf"(?:(?:clearly|well|far|fully|completely)\s+)*(?:apart|separated?)){_TAIL}"
)
_THEREFORE = re.compile(
    r"[,;]\s+(?:and\s+)?(?:so|thus|therefore|hence|which means|meaning|consequently)\s+(?:that\s+)?"
)
_TAKE_BACK = (
    r"(?:disregard|ignore|scrap|discard|retract|withdraw|strike(?: out)?|cancel|delete|remove|forget|drop|take back|"
    r"do not use|don't use)"
)
_WHOLE = r"(?:table|list|answer|contacts?|rows|entries|lines|result)"
_BACK = re.compile(
    rf"\b{_TAKE_BACK}\s+(?:(?:the|this|that|my|all|these|those|of|everything)\s+)*(?:(?:above|previous|earlier|first|"
    rf"preceding|prior|draft|initial|whole|entire|last|wrong)\s+)*(?:{_WHOLE}|above)\b(?!\s+(?:\d|of\b|about\b|"
    rf"between\b|with\b))"
    rf"|\b(?:the|this|that|my|all|these)\s+(?:(?:of the|the|above|previous|earlier|first|preceding|prior|draft|initial|"
    rf"whole|last)\s+)*{_WHOLE}\s+(?:above\s+|i gave\s+|given\s+)*(?:is|are|was|were)\s+"
    rf"(?:(?:actually|all|completely|just|only|entirely|probably)\s+)*"
    rf"(?:wrong|incorrect|mistaken|invalid|a mistake|an error|a draft|not correct|not right|retracted|withdrawn|"
    rf"made in error|false)"
)
_OPENED = re.compile(_OPENING)
_NEGATED = re.compile(r"\b(?:not|n't|never|without|if|unless)\s+(?:\w+\s+)?$")
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "last": -1}
_ROW = (
    r"(?:(?P<{0}word>first|second|third|fourth|fifth|sixth|last)\s+(?:row|line|entry|pair|contact)"
    r"|(?:row|line|entry|pair|contact)\s*(?:no\.?|number|#)?\s*(?P<{0}number>\d{{1,2}}))"
)
_ROW_BACK = re.compile(
    rf"\b{_TAKE_BACK}\s+(?:(?:the|this|my)\s+)*{_ROW.format('a')}"
    rf"|{_ROW.format('b')}\s+(?:(?:above|is|was|should|be|to|actually|must|has)\s+)+(?:wrong|incorrect|a mistake|"
    r"an error|mistaken|invalid|not (?:a |in )?(?:real )?(?:contact|touch\w*|correct|right)|no contact|removed|"
    r"deleted|struck|disregarded|ignored|retracted|dropped)"
)
_PAIR_DENIED = re.compile(
    r"\b(?:do|does|did|is|are|was|were)(?:\s+not|n't)\s+(?:(?:actually|really|in fact|physically|in|in direct|"
    r"in physical)\s+)*(?:touch(?:ing)?|contact|mak(?:e|ing) contact|a contact)\b"
    r"|\b(?:no|not a)\s+(?:{0}\s+)*contact\b(?=.*\bbetween\b)".replace("{0}", _ABOUT)
    + r"|\b(?:is|are|was|were)\s+(?:wrong|incorrect|a mistake|an error|mistaken|to be removed)\b"
    r"|\bshould (?:not be (?:there|listed|included|in the table)|"
    r"be (?:removed|struck|ignored|disregarded|dropped|deleted))\b"
    rf"|^(?:{_OPENING})(?:i (?:would |must |have to )?)?{_TAKE_BACK}\b"
)
_PAIR_OPEN = re.compile(
    r"\b(?:but|rather|instead|only|merely|except|unless|if|whether|other|otherwise|left|right|one|second|not only|"
    r"anywhere else|elsewhere|besides|in addition|more|any)\b"
)


def last_words(prose: str) -> list[tuple[str, str]]:
    """The sentences behind a table, each with the heading it stands under; lower case, without markup."""
    sentences = []
    heading = ""
    for line in prose[:_MAX_PROSE].split("\n"):
        bare = _bare(line)
        if not bare or "|" in line:
            continue
        if line.lstrip(" >").startswith("#") or bare.endswith(":"):
            heading = bare.rstrip(": ")
            continue
        for sentence in re.split(r"(?<=[.!?;])\s+", bare):
            sentence = sentence.strip(" .!;\"'()")
            if sentence:
                sentences.append((heading, sentence))
    return sentences


def says_none(heading: str, sentence: str) -> bool:
    """Whether a sentence under its heading says that there is no contact."""
    beside = bool(heading) and (is_lesser_list(heading) or is_ruled_out(heading))
    # "None" is about its heading, a whole sentence about what it says.
    said = f"{heading}: {sentence}" if heading and len(sentence.split()) <= 3 else sentence
    therefore = _THEREFORE.search(said)
    return not beside and bool(_NONE.fullmatch(said) or (therefore and _NONE.fullmatch(said[therefore.end() :])))


def takes_all_back(sentences: list[tuple[str, str]]) -> bool:
    """Whether the sentences behind the last table say that there is no contact, or that the table is wrong."""
    for heading, sentence in sentences:
        if says_none(heading, sentence):
            return True
        for found in _BACK.finditer(sentence):
            if not _NEGATED.search(sentence[: found.start()]):
                return True
    return False


def rows_taken_back(sentences: list[tuple[str, str]], number_of_rows: int) -> set[int]:
    """Which rows of a table the sentences behind it name by their number and take back."""
    rows = set()
    for _, sentence in sentences:
        for found in _ROW_BACK.finditer(sentence):
            if _NEGATED.search(sentence[: found.start()]):
                continue
            word = found.group("aword") or found.group("bword")
            number = _ORDINALS[word] if word else int(found.group("anumber") or found.group("bnumber"))
            rows.add(number - 1 if number > 0 else number_of_rows + number)
    return rows


def pairs_taken_back(sentences: list[tuple[str, str]]) -> list[frozenset[frozenset[str]]]:
    """The parts that sentences say do not touch: "The head and the butt do not touch."""
    pairs = []
    for _, sentence in sentences:
        opening = _OPENED.match(sentence)
        sentence = sentence[opening.end() :] if opening else sentence
        if len(sentence) > 200 or not _PAIR_DENIED.search(sentence) or _PAIR_OPEN.search(sentence):
            continue
        names = parts_named(sentence)
        if 1 <= len(names) <= 2:
            pairs.append(names)
    return pairs


def _bare(line: str) -> str:
    line = _MARKUP.sub("", line[:1000].replace("’", "'")).lower()
    return " ".join(line.split())
