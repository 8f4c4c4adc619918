using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Classification;

/// <summary>
/// Classifies images with a trained network. Any number of threads may use it: they take turns at the device, one batch
/// at a time.
/// </summary>
internal sealed class ImageClassifier : IRowComputer<ImagePixels>, IDisposable
{
    private const int MostImages = 64;

    private readonly Device _device;
    private readonly DeviceGate _gate;
    private readonly Action _checkAlive;
    private readonly Lifetime _lifetime;
    private InferenceClassifier? _inference;

    /// <param name="network">The network, which is disposed with this object.</param>
    /// <param name="checkAlive">Called before each batch and while waiting for one. It throws to stop.</param>
    public ImageClassifier(ClassifierNetwork network, Action checkAlive)
    {
        Network = network;
        _device = network.Device;
        _gate = DeviceGate.For(_device);
        _checkAlive = checkAlive;
        _lifetime = new(typeof(ConvolutionalNetworkTransformer), Free);
    }

    /// <summary>The network.</summary>
    public ClassifierNetwork Network { get; }

    /// <inheritdoc/>
    /// <remarks>The probabilities of the labels come first, then the features.</remarks>
    public int ValuesPerRow => Network.Shape.Labels + Network.Shape.Features;

    /// <inheritdoc/>
    /// <remarks>A GPU has the activations of the whole batch at once; on a CPU the network splits the batch.</remarks>
    public int ChooseBatchSize()
    {
        var isCpu = _device.type == DeviceType.CPU;
        var activations = isCpu ? 0 : 4 * Network.Shape.LargestActivation;
        var rowBytes = sizeof(float) * (4L * Network.Shape.Pixels + activations);
        return TorchDevice.ChooseBatchSize(TorchDevice.FreeMemory(_device), rowBytes, MostImages);
    }

    public float[] Compute(IReadOnlyList<ImagePixels> rows)
    {
        var values = Array.Empty<float>();
        UseNetwork(network =>
        {
            using var turn = _gate.Enter(_checkAlive, CancellationToken.None);
            _inference ??= new(network);

            using var scope = NewDisposeScope();
            var pixels = network.Shape.Pixels;
            var x = empty([rows.Count, .. network.ImageSize], ScalarType.Float32, CPU);
            var target = MemoryMarshal.Cast<byte, float>(x.bytes);
            for (var i = 0; i < rows.Count; i++) rows[i].Values.CopyTo(target[(i * pixels)..]);
            values = _inference.Forward(x.to(_device)).cpu().data<float>().ToArray();
        });
        return values;
    }

    /// <summary>Calls <paramref name="use"/> with the network, which nobody frees in the meantime.</summary>
    /// <exception cref="ObjectDisposedException">The classifier was disposed.</exception>
    public void UseNetwork(Action<ClassifierNetwork> use)
    {
        using var lifetime = _lifetime.Begin();
        use(Network);
    }

    /// <summary>Frees the network, at once or after those who use it now.</summary>
    public void Dispose() => _lifetime.Dispose();

    private void Free()
    {
        _inference?.Dispose();
        Network.Dispose();
    }
}
