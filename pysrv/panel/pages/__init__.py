"""A module for each part of the panel: its routes, what they show and what their forms do."""
