using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>The shapes of the networks whose speed is measured.</summary>
internal static class MeasuredNetworks
{
    /// <summary>The network of the published method.</summary>
    public static UNetShape Plain { get; } = new(1, 32, 32, Labels: 10, EmbeddingSize: 100, [64, 128, 256]);

    /// <summary>The residual network with its default widths, for images of MNIST's size.</summary>
    public static UNetShape Residual { get; } = new(1, 28, 28, Labels: 10, EmbeddingSize: 100, [96, 192])
    {
        Architecture = NetworkArchitecture.Residual,
    };
}
