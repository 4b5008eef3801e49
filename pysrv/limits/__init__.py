"""Policy: facts about a call go through ordered stages, a decision with its figures comes out. Pure."""
