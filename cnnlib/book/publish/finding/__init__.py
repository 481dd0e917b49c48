"""What helps to find a place in the book: the search's index, and the lists that lead there.

`terms.toml` is the glossary, and what the search knows of words; `questions.toml` has what readers
ask, `symptoms.toml` what a mistake looks like. All of them name a section by `chapter#id`, such as
`03#stride`: `sections` finds the page that has it, in whatever pages a chapter is cut into.
"""

LISTS = {
    "questions": "Questions",
    "glossary": "Glossary",
    "mistakes": "Mistakes",
    "subjects": "Subjects",
}
FILES = {f"{name}.html": title for name, title in LISTS.items()}
