"""The documentation site: sphinx-build -W -n docs build/docs. Nothing in it is fetched from a network."""

import sys
from pathlib import Path

import voiceswap
from voiceswap.shell.quiet import load_tensorflow

sys.path.insert(0, str(Path(__file__).parent))  # for click_commands
load_tensorflow()

project = "voiceswap"
author = "the voiceswap authors"
release = version = voiceswap.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
]
default_role = "code"  # docstrings write names as `name`
nitpicky = True
# Types of other projects, to which nothing here can link.
nitpick_ignore_regex = [
    ("py:.*", r"(pathlib|numpy|np|collections|annotated_types|voiceswap\.config|voiceswap\.storage)\..*")
]

myst_heading_anchors = 3

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
autodoc_preserve_defaults = True
highlight_language = "text"

html_theme = "pydata_sphinx_theme"
html_title = f"voiceswap {release}"
html_static_path = ["_static"]
html_css_files = ["voiceswap.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "voiceswap"},
    "navbar_align": "left",
    "navbar_persistent": ["search-button"],
    "header_links_before_dropdown": 7,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": [],
    "footer_end": [],
}
html_sidebars = {"**": []}
