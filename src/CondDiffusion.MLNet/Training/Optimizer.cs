namespace CondDiffusion.MLNet;

/// <summary>What turns the gradients of the loss into steps of the weights.</summary>
public enum Optimizer
{
    /// <summary>Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1), with beta 0.9 and 0.999.</summary>
    Adam,

    /// <summary>
    /// Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon) for the weights of convolutions and linear
    /// layers with at least 32 inputs and outputs, with momentum 0.95, and Adam, with beta 0.95 and 0.999, for the
    /// other parameters. A step takes more time and learns more.
    /// </summary>
    Muon,
}
