"""The nearest training pictures."""

from sgan.panel.tabs.nearest import NearestTab


def test_nearest_training_pictures_are_shown(faces, pictures):
    faces.part(NearestTab).button.click()
    assert "give the folder" in faces.message.value
    faces.part(NearestTab).folder.value = str(pictures)
    faces.part(NearestTab).button.click()
    labels = [cell.children[1].value for cell in faces.part(NearestTab).row.children]
    assert len(labels) == 7 and labels[0] == "this face" and ".png: " in labels[1]
