using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Model;

/// <summary>A network that several generators use, one at a time. Disposing the last of them frees it.</summary>
internal sealed class SharedNetwork(ConditionalUNet network)
{
    private readonly Dictionary<ScalarType, InferenceUNet> _inferenceNetworks = [];
    private int _owners = 1;

    /// <summary>The lock that a generator holds while it uses the network.</summary>
    public Lock Lock { get; } = new();

    public ConditionalUNet Network => network;

    /// <summary>
    /// Called with the number of images before each run of the reverse loop, under the lock. Tests count batches with
    /// it.
    /// </summary>
    public Action<int>? BatchStarting { get; set; }

    /// <summary>Returns the network as it samples in a data type. Each form is made once, at its first use.</summary>
    public InferenceUNet GetInferenceNetwork(ScalarType type)
    {
        if (!_inferenceNetworks.TryGetValue(type, out var inferenceNetwork))
        {
            inferenceNetwork = InferenceUNet.Create(network, type);
            _inferenceNetworks[type] = inferenceNetwork;
        }
        return inferenceNetwork;
    }

    /// <summary>Adds an owner, for whom it returns this same object.</summary>
    public SharedNetwork Share()
    {
        lock (Lock) _owners++;
        return this;
    }

    /// <summary>Removes an owner, and frees the network with the last one.</summary>
    public void Release()
    {
        lock (Lock)
        {
            if (--_owners > 0) return;

            foreach (var inferenceNetwork in _inferenceNetworks.Values) inferenceNetwork.Dispose();
            network.Dispose();
        }
    }
}
