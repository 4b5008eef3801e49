"""The configuration as one document: everything that an operator said, and nothing that the service counted.

`sections` is the table of what it holds; `writing` makes the text of it, `reading` judges one, `plan` says what it
would change and changes it, all of it or nothing; `verbs` are what operators ask.
"""
