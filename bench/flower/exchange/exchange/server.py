"""FedAvg over factors as fedrot's bench sends them; writes the time at which every round was aggregated."""

import json
import time

import numpy as np
from flwr.app import ArrayRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


class Timed(FedAvg):
    out = ""

    def aggregate_train(self, server_round, replies):
        result = super().aggregate_train(server_round, replies)
        with open(self.out, "a", encoding="utf-8") as file:
            file.write(json.dumps({"round": server_round, "at": time.time()}) + "\n")
        return result


@app.main()
def main(grid, context):
    config = context.run_config
    rank, size, clients = config["rank"], config["size"], config["clients"]
    random = np.random.default_rng(1)
    factors = [
        random.standard_normal(shape, dtype=np.float32)
        for _ in range(config["modules"])
        for shape in ((rank, size), (size, rank))
    ]
    strategy = Timed(
        fraction_train=1.0, fraction_evaluate=0.0, min_train_nodes=clients, min_available_nodes=clients
    )
    strategy.out = config["out"]
    strategy.start(grid=grid, initial_arrays=ArrayRecord(factors), num_rounds=config["rounds"])
