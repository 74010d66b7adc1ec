"""From the outputs of other tools to scenes: containers, sources, keypoints, matching, agreement, retargeting."""
