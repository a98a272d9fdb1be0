"""From any photograph or film to a crop and its camera: find the face, its landmarks and pose;
cameras of other programs.
"""
