import timm
import torch
from PIL import Image
import pandas as pd
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

LOOK = transforms.Compose([transforms.Resize((160, 160)), transforms.ToTensor()])


class Leaves(Dataset):
    def __init__(self, table):
        self.table = table.reset_index(drop=True)

    def __len__(self):
        return len(self.table)

    def __getitem__(self, i):
        row = self.table.loc[i]
        image = Image.open(f"./input/images/{row['image_id']}.jpg").convert("RGB")
        return LOOK(image), int(row["healthy"])


table = pd.read_csv("./input/train.csv").sample(frac=1, random_state=0)
hold, learn = table[:300], table[300:]
net = timm.create_model("resnet18", pretrained=False, num_classes=1)
step = torch.optim.Adam(net.parameters(), lr=3e-4)
for epoch in range(3):
    for images, healthy in DataLoader(Leaves(learn), batch_size=32, shuffle=True):
        step.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(net(images)[:, 0], healthy.float()).backward()
        step.step()
net.eval()
right = 0
with torch.no_grad():
    for images, healthy in DataLoader(Leaves(hold), batch_size=64):
        right += ((net(images)[:, 0] > 0).int() == healthy).sum().item()
print("Final Validation Performance:", right / len(hold))
