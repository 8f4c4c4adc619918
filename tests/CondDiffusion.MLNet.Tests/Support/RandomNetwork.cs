using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>
/// A network with random weights that keep the activations' size from layer to layer, and with batch-norm statistics
/// like those after a training.
/// </summary>
internal static class RandomNetwork
{
    public static ConditionalUNet Create(UNetShape shape)
    {
        using var generator = new Generator(3, CPU);
        return ConditionalUNet.Create(shape, CPU, entry =>
        {
            bool Ends(string name) => entry.Name.EndsWith(name, StringComparison.Ordinal);
            Tensor Normal(double deviation) => empty(entry.Shape).normal_(0, deviation, generator);
            Tensor Uniform(double low, double high) => empty(entry.Shape).uniform_(low, high, generator);

            return entry switch
            {
                _ when Ends("running_var") => Uniform(0.5, 2),
                _ when Ends("running_mean") => Normal(0.3),
                _ when Ends("bias") => Normal(0.2),
                { Role: TensorRole.Embedding } => Normal(1),
                { FanIn: > 0 } => Normal(Math.Sqrt(2.0 / entry.FanIn)),
                _ => Uniform(0.5, 1.5),
            };
        });
    }
}
