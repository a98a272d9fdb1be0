"""WYSIWYG (Trevithick et al., CVPR 2024): a signed distance on a triplane, every pixel rendered."""
