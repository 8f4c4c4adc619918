using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Model;

/// <summary>
/// A network that several generators own. The last of them that releases it frees it.
/// </summary>
internal sealed class SharedNetwork(ConditionalUNet network)
{
    private readonly Dictionary<ScalarType, InferenceUNet> _inferenceNetworks = [];
    private int _owners = 1;

    /// <summary>The gate of the network's device, which is held for each evaluation.</summary>
    public DeviceGate Gate { get; } = DeviceGate.For(network.Device);

    /// <summary>The network's device.</summary>
    public Device Device { get; } = network.Device;

    public ConditionalUNet Network => network;

    /// <summary>
    /// Called with the number of images before each run of the reverse loop. Tests count batches with it.
    /// </summary>
    public Action<int>? BatchStarting { get; set; }

    /// <summary>
    /// Called with the number of images before each evaluation of the network, while the device is held. Tests count
    /// evaluations with it.
    /// </summary>
    public Action<int>? Evaluating { get; set; }

    /// <summary>
    /// Returns the network as it samples in a data type. Each form is made once, at its first use. The caller is an
    /// owner and holds the gate.
    /// </summary>
    public InferenceUNet GetInferenceNetwork(ScalarType type)
    {
        if (!_inferenceNetworks.TryGetValue(type, out var inferenceNetwork))
        {
            inferenceNetwork = InferenceUNet.Create(network, type);
            _inferenceNetworks[type] = inferenceNetwork;
        }
        return inferenceNetwork;
    }

    /// <summary>Adds an owner, for whom it returns this same object. The caller knows of an owner.</summary>
    public SharedNetwork Share()
    {
        Interlocked.Increment(ref _owners);
        return this;
    }

    /// <summary>Removes an owner, and frees the network with the last one.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _owners) > 0) return;

        foreach (var inferenceNetwork in _inferenceNetworks.Values) inferenceNetwork.Dispose();
        network.Dispose();
    }
}
