import numpy as np
import pandas as pd
import torch
from torch import nn

torch.manual_seed(0)
table = pd.read_csv("./input/train.csv").sample(n=20_000, random_state=0)
images = table.drop(columns="label").to_numpy(np.float32).reshape(-1, 1, 28, 28) / 255
labels = table["label"].to_numpy()
cut = int(0.9 * len(images))


class Net(nn.Module):
    def __init__(self, width: int = 32):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(2 * width * 7 * 7, 10),
        )

    def forward(self, x):
        return self.body(x)


net = Net()
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4)
loss_of = nn.CrossEntropyLoss(label_smoothing=0.05)
x, y = torch.from_numpy(images), torch.from_numpy(labels)
for epoch in range(5):
    net.train()
    for rows in torch.randperm(cut).split(128):
        optimizer.zero_grad()
        loss = loss_of(net(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
net.eval()
with torch.no_grad():
    right = (net(x[cut:]).argmax(1) == y[cut:]).float().mean().item()
print(f"Final Validation Performance: {right:.5f}")
